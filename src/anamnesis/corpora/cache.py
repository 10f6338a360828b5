"""One store per user of everything that was downloaded, named by its sha256, shared by all clones and processes."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from anamnesis import files
from anamnesis.errors import AnamnesisError

VARIABLE = "ANAMNESIS_CACHE"


class Cache:
    """Files by sha256 under `root`: `objects/AB/CDEF...`, with `partial/` downloads and `locks/` beside them;
    `blobs/ID` says which object has the id ID in git."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, sha256: str) -> Path | None:
        """The file with that content, or None. A file that was damaged on the disk is removed."""
        path = self._object(sha256)
        if not path.is_file():
            return None
        if files.sha256_file(path) != sha256:
            path.unlink(missing_ok=True)
            return None
        return path

    def add(self, stream: IO[bytes]) -> tuple[str, Path]:
        """Keep all that `stream` holds. Returns its sha256 and its path."""
        digest = hashlib.sha256()
        with files.temporary_folder(self.root / "incoming") as folder:
            with open(folder / "new", "wb") as file:
                while block := stream.read(2**20):
                    digest.update(block)
                    file.write(block)
            files.sync(folder / "new")
            path = self._object(digest.hexdigest())
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(folder / "new", path)
        return digest.hexdigest(), path

    def find_blob(self, git_blob: str) -> Path | None:
        """The file whose content has that id in git, if one was brought before; else None."""
        note = self._blob(git_blob)
        path = self.find(note.read_text(encoding="ascii").strip()) if note.is_file() else None
        return path if path is not None and files.git_blob(path) == git_blob else None

    def add_blob(self, git_blob: str, path: Path) -> Path:
        """Keep the file at `path`, and note what id its content has in git. Returns where it is kept."""
        with open(path, "rb") as stream:
            sha256, kept = self.add(stream)
        files.write_text(self._blob(git_blob), sha256 + "\n")
        return kept

    def partial(self, key: str) -> Path:
        """Where the download that `key` names is collected; what is there survives a crash."""
        path = self.root / "partial" / files.digest(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the lock that `key` names: of two processes after the same file, one downloads and the other waits."""
        from filelock import FileLock

        path = self.root / "locks" / files.digest(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path):
            yield

    def _blob(self, git_blob: str) -> Path:
        return self.root / "blobs" / git_blob

    def _object(self, sha256: str) -> Path:
        return self.root / "objects" / sha256[:2] / sha256[2:]


def default() -> Cache:
    """The user's cache, or the folder the environment variable ANAMNESIS_CACHE names.

    Raises:
        AnamnesisError: the folder cannot be made or written.
    """
    from platformdirs import user_cache_path

    chosen = os.environ.get(VARIABLE)
    root = Path(chosen).expanduser() if chosen else user_cache_path("anamnesis")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AnamnesisError(f"{root}: cannot make the cache folder: {error.strerror}; {VARIABLE} moves it") from None
    if not os.access(root, os.W_OK):
        raise AnamnesisError(f"{root}: the cache folder cannot be written; {VARIABLE} moves it")
    return Cache(root)
