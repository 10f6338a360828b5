"""Atomic writes of files and folders, and digests of their content."""

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

# Relative to the project's folder; outside of everything that DVC reads.
TEMPORARY = Path(".anamnesis") / "tmp"


def canonical_json(value: Any) -> str:
    """JSON text that depends only on `value`: sorted keys, two-space indent, one final newline.

    Raises:
        ValueError: `value` contains NaN or an infinity, which JSON cannot represent.
    """
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def digest(*parts: bytes | str) -> str:
    """The sha256 of the parts in hex; each part's length precedes it, so that ("ab", "c") and ("a", "bc") differ."""
    result = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        result.update(len(data).to_bytes(8, "little"))
        result.update(data)
    return result.hexdigest()


def sha256_file(path: Path) -> str:
    """The sha256 of a file's content in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_blob(path: Path) -> str:
    """Git's object id of a file's content: the sha1 in hex of "blob ", the size, a zero byte and the content."""
    result = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(2**20):
            result.update(block)
    return result.hexdigest()


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically: after a crash the file has its old content or the new one."""
    with _temporary_for(path) as temporary:
        new = temporary / "new"
        new.write_bytes(data)
        new.chmod(0o644)
        sync(new)
        os.replace(new, path)


def write_text(path: Path, text: str) -> None:
    """Write text to `path` atomically, in UTF-8 and without converting line ends."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write `canonical_json(value)` to `path` atomically."""
    write_text(path, canonical_json(value))


def read_json(path: Path, advice: str) -> Any:
    """The content of a JSON file that a stage wrote.

    Args:
        path: the file.
        advice: the advice at the end of the error message, such as "run `anamnesis repro`".

    Raises:
        AnamnesisError: the file cannot be read or is not JSON; the message mentions conflict marks of Git.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise AnamnesisError(f"{path}: cannot be read: {error.strerror}; {advice}") from None
    except UnicodeDecodeError as error:
        raise AnamnesisError(f"{path}: not UTF-8: {error.reason} at byte {error.start}; {advice}") from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        for number, line in enumerate(text.split("\n"), 1):
            if line.startswith(("<<<<<<< ", ">>>>>>> ")):
                raise AnamnesisError(f"{path}: line {number} is a conflict mark of Git; {advice}") from None
        raise AnamnesisError(f"{path}: not valid JSON: {error}; {advice}") from None


def read_state(path: Path) -> Any:
    """The content of a JSON file of working state, or None if the file is missing or is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that replaces `path` when the block ends; if the block raises an error, it is removed.

    The old content of `path` stays until then, so a failure loses nothing. If the process is killed between the two
    renames, the next process that writes a file in the same project restores the old folder.
    """
    with _temporary_for(path) as temporary:
        new, old = temporary / "new", temporary / "old"
        new.mkdir()
        yield new
        new.chmod(0o755)
        for path_inside in sorted(new.rglob("*")):
            sync(path_inside)
        sync(new)
        # While this file exists, `_restore` moves the old folder back if `path` is missing.
        place = temporary / "place"
        place.write_text(os.path.relpath(path, temporary.parent), encoding="utf-8")
        try:
            if os.path.lexists(path):
                os.replace(path, old)
            os.replace(new, path)
        except BaseException:
            _restore(temporary)
            raise
        place.unlink()


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent` that is removed when the block ends; folders of killed processes are removed first.

    The process locks its folder. The operating system releases the lock however the process ends.

    Args:
        parent: a folder that contains only such folders; created if it is missing.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _remove_unlocked(parent)
    path, handle = _locked_folder(parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's list of names, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _temporary_for(path: Path) -> Iterator[Path]:
    """A temporary folder on the file system of `path`: the project's, or else a folder beside `path`."""
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
    """Whether a file can be renamed from one folder into another: both are on the same mounted file system."""
    try:
        # This always fails, because nothing can be renamed to "."; across file systems the error is EXDEV.
        os.rename(folder, f"{target}/.")
    except OSError as error:
        return error.errno != errno.EXDEV
    return True


def _locked_folder(parent: Path) -> tuple[Path, int]:
    """A new folder in `parent`, and the open file descriptor that holds its lock."""
    while True:
        path = Path(tempfile.mkdtemp(dir=parent))
        # Before it is locked, another process may remove it.
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
            # The file system has no locks, so `_remove_unlocked` removes nothing.
            pass
        if path.exists():
            return path, handle
        os.close(handle)


def _remove_unlocked(parent: Path) -> None:
    """Remove the folders in `parent` that no process has locked."""
    for path in parent.iterdir():
        try:
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Only the project's own folder is trusted to name a path; a shared cache is not.
            if parent.parts[-2:] == TEMPORARY.parts:
                _restore(path)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(handle)


def _restore(temporary: Path) -> None:
    """Move the old folder that `new_folder` moved away back to its path, if the path is missing."""
    old, note = temporary / "old", temporary / "place"
    if os.path.lexists(old) and note.exists():
        place = os.path.normpath(temporary.parent / note.read_text(encoding="utf-8"))
        if not os.path.lexists(place):
            os.replace(old, place)
