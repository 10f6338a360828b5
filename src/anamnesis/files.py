"""Writing files so that a reader never sees half of one, and naming their content by a digest."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anamnesis.errors import AnamnesisError
from anamnesis.project import is_root

# In a project's folder: outside of everything that DVC reads.
TEMPORARY = Path(".anamnesis") / "tmp"


def canonical_json(value: Any) -> str:
    """JSON text that depends on nothing but `value`: sorted keys, two-space indent, UTF-8, one final newline.

    Raises:
        ValueError: `value` holds NaN or an infinity, which JSON cannot say.
    """
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def digest(*parts: bytes | str) -> str:
    """sha256, in hex, of the parts, each preceded by its length so that no two part lists collide."""
    result = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        result.update(len(data).to_bytes(8, "little"))
        result.update(data)
    return result.hexdigest()


def sha256_file(path: Path) -> str:
    """sha256, in hex, of a file's bytes, read in blocks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_blob(path: Path) -> str:
    """The id that git gives a file's content: sha1, in hex, of 'blob', its size in bytes, a zero byte and the bytes."""
    result = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(2**20):
            result.update(block)
    return result.hexdigest()


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step: after a crash it holds the old bytes or the new ones."""
    with _temporary_for(path) as temporary:
        new = temporary / "new"
        new.write_bytes(data)
        new.chmod(0o644)
        sync(new)
        os.replace(new, path)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of the text in UTF-8, line ends as they are."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """`write_bytes` of `canonical_json(value)`."""
    write_text(path, canonical_json(value))


def read_json(path: Path, mend: str) -> Any:
    """The content of a JSON file that a stage wrote.

    Args:
        path: the file.
        mend: what to run when the file is damaged, for the error.

    Raises:
        AnamnesisError: the file cannot be read or is not JSON; where Git has left conflict marks, the line says so.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise AnamnesisError(f"{path}: cannot be read: {error.strerror}; {mend}") from None
    except UnicodeDecodeError as error:
        raise AnamnesisError(f"{path}: not UTF-8: {error.reason} at byte {error.start}; {mend}") from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        for number, line in enumerate(text.split("\n"), 1):
            if line.startswith(("<<<<<<< ", ">>>>>>> ")):
                raise AnamnesisError(f"{path}: line {number} is a conflict mark of Git; {mend}") from None
        raise AnamnesisError(f"{path}: not valid JSON: {error}; {mend}") from None


def read_state(path: Path) -> Any:
    """The content of a JSON file of working state; None where there is no such file, or it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `path` when the block ends well, and vanishes when it does not.

    What stood at `path` stays until then, so a failure loses nothing. If the process is killed while the two change
    places, the next process that writes a file in the same project puts the old folder back.
    """
    with _temporary_for(path) as temporary:
        new, old = temporary / "new", temporary / "old"
        new.mkdir()
        yield new
        new.chmod(0o755)
        for found in sorted(new.rglob("*")):
            sync(found)
        sync(new)
        # As long as this note stands, the old folder goes back to a place that is empty.
        place = temporary / "place"
        place.write_text(os.path.relpath(path, temporary.parent), encoding="utf-8")
        try:
            if os.path.lexists(path):
                os.replace(path, old)
            os.replace(new, path)
        except BaseException:
            _put_back(temporary)
            raise
        place.unlink()


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, removed when the block ends; first, those that killed processes have left are removed.

    A lock on the folder says that its process is alive; the system drops it however the process ends.

    Args:
        parent: a folder that holds nothing but such folders; made where it is missing.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent)
    path, handle = _locked_folder(parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _temporary_for(path: Path) -> Iterator[Path]:
    """A temporary folder on the file system of `path`: the project's own, or beside `path` where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    root = next((folder for folder in path.absolute().parents if is_root(folder)), None)
    if root is not None:
        with temporary_folder(root / TEMPORARY) as temporary:
            if _can_rename(temporary, path.parent):
                yield temporary
                return
    beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _can_rename(folder: Path, target: Path) -> bool:
    """Whether files of one folder can be renamed into another: both are on one mounted file system."""
    try:
        # Always refused, because nothing may be renamed to "."; the reason is another one across file systems.
        os.rename(folder, f"{target}/.")
    except OSError as error:
        return error.errno != errno.EXDEV
    return True


def _locked_folder(parent: Path) -> tuple[Path, int]:
    """A new folder in `parent`, and the open handle that holds its lock."""
    while True:
        path = Path(tempfile.mkdtemp(dir=parent))
        # Until it is locked, another process may take it for a leftover and remove it.
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        except OSError:
            # A file system without locks, on which `_sweep` removes nothing.
            pass
        if path.exists():
            return path, handle
        os.close(handle)


def _sweep(parent: Path) -> None:
    """Remove the folders in `parent` that no living process has locked."""
    for path in parent.iterdir():
        try:
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Only a project's own folder says where things belong: what lies in a cache's is anybody's word.
            if parent.parts[-2:] == TEMPORARY.parts:
                _put_back(path)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(handle)


def _put_back(temporary: Path) -> None:
    """Put the old folder that `new_folder` has moved away back in its place, if nothing stands there."""
    old, note = temporary / "old", temporary / "place"
    if os.path.lexists(old) and note.exists():
        place = os.path.normpath(temporary.parent / note.read_text(encoding="utf-8"))
        if not os.path.lexists(place):
            os.replace(old, place)
