"""The user's cache of downloaded files, named by their digests, shared by all clones and processes."""

import os
import re
import shutil
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from anamnesis import files
from anamnesis.errors import AnamnesisError

VARIABLE = "ANAMNESIS_CACHE"


def is_sha256(text: str) -> bool:
    """Whether the text is a sha256 in hex, which may be part of a path."""
    return bool(re.fullmatch("[0-9a-f]{64}", text))


def digest_like(expected: str, path: Path) -> str:
    """The digest of a file, of the kind of the expected one: its sha256, or its id in Git if that has 40 digits."""
    return files.git_blob(path) if len(expected) == 40 else files.sha256_file(path)


class Cache:
    """Files by digest below `root`: `objects/AB/CDEF...`, with `incoming/` for new files and `locks/`.

    No method writes or removes anything outside `root`. Each raises AnamnesisError where a digest is none or where a
    path below `root` is a symbolic link, and OSError where the disk fails.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, digest: str) -> Path | None:
        """The file with this sha256, or this id in Git, or None. A damaged file is removed."""
        path = self._object(digest)
        if not path.is_file():
            return None
        if digest_like(digest, path) != digest:
            path.unlink(missing_ok=True)
            return None
        return path

    def incoming(self) -> AbstractContextManager[Path]:
        """A temporary folder for files that are to be verified before they are kept."""
        return files.temporary_folder(self._path("incoming"))

    def keep(self, path: Path, digest: str) -> Path:
        """Move a file of `incoming` to the place of its digest. Returns its new path."""
        target = self._object(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        files.sync(path)
        os.replace(path, target)
        return target

    def lock(self, key: str) -> AbstractContextManager[object]:
        """The lock for `key`: of two processes that want the same file, one downloads it and the other waits."""
        from filelock import FileLock

        path = self._path("locks", files.digest(key))
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path)

    def _object(self, digest: str) -> Path:
        if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", digest):
            raise AnamnesisError(f"{digest!r} is neither a sha256 nor an id in Git")
        return self._path("objects", digest[:2], digest[2:])

    def _path(self, *names: str) -> Path:
        path = self.root
        for name in names:
            path /= name
            if path.is_symlink():
                raise AnamnesisError(f"{path}: a symbolic link in the cache, which is refused; remove it")
        return path


def write_stream(stream: IO[bytes], folder: Path) -> Path:
    """A new file of `folder` with the content of a stream."""
    handle, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as file:
        shutil.copyfileobj(stream, file, 2**20)
    return Path(name)


def user_cache() -> Cache:
    """The user's cache, or the folder that the environment variable ANAMNESIS_CACHE names.

    Raises:
        AnamnesisError: the folder cannot be created or written.
    """
    from platformdirs import user_cache_path

    chosen = os.environ.get(VARIABLE)
    try:
        root = Path(chosen).expanduser() if chosen else user_cache_path("anamnesis")
    except RuntimeError as error:
        raise AnamnesisError(f"{VARIABLE}: {chosen}: {error}") from None
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AnamnesisError(f"{root}: cannot create the cache folder: {error.strerror}; {VARIABLE} moves it") from None
    if not os.access(root, os.W_OK):
        raise AnamnesisError(f"{root}: the cache folder cannot be written; {VARIABLE} moves it")
    return Cache(root)
