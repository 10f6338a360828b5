"""One store per user of everything that was downloaded, named by its sha256, shared by all clones and processes."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from anamnesis import files
from anamnesis.errors import AnamnesisError

VARIABLE = "ANAMNESIS_CACHE"

_SHA256 = re.compile("[0-9a-f]{64}")
_GIT_BLOB = re.compile("[0-9a-f]{40}")


def is_sha256(text: str) -> bool:
    """Whether the text is a sha256 in hex, as it may become part of a path."""
    return bool(_SHA256.fullmatch(text))


class Cache:
    """Files by sha256 under `root`: `objects/AB/CDEF...`, with `partial/` downloads and `locks/` beside them;
    `blobs/ID` says which object has the id ID in git.

    No method writes or removes anything outside `root`: a digest is checked before it becomes a path, and symbolic
    links below `root` are refused. Each method raises AnamnesisError for those two, and OSError where the disk fails.
    """

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
        with self.incoming() as folder:
            sha256, path = self.write(stream, folder)
            return sha256, self.keep(sha256, path)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """A folder for files that are to be verified before they are kept; it vanishes when the block ends."""
        with files.temporary_folder(self._path("incoming")) as folder:
            yield folder

    def write(self, stream: IO[bytes], folder: Path) -> tuple[str, Path]:
        """Write all that `stream` holds to a new file of `folder`. Returns its sha256 and its path."""
        digest = hashlib.sha256()
        handle, path = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "wb") as file:
            while block := stream.read(2**20):
                digest.update(block)
                file.write(block)
        files.sync(Path(path))
        return digest.hexdigest(), Path(path)

    def keep(self, sha256: str, path: Path) -> Path:
        """Move a file of `incoming`, whose digest is `sha256`, to where `find` finds it. Returns its new path."""
        kept = self._object(sha256)
        kept.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, kept)
        return kept

    def find_blob(self, git_blob: str) -> Path | None:
        """The file whose content has that id in git, if one was brought before; else None."""
        note = self._blob(git_blob)
        sha256 = note.read_text(encoding="utf-8", errors="replace").strip() if note.is_file() else ""
        path = self.find(sha256) if is_sha256(sha256) else None
        return path if path is not None and files.git_blob(path) == git_blob else None

    def add_blob(self, git_blob: str, path: Path) -> Path:
        """Keep the file at `path`, and note what id its content has in git. Returns where it is kept."""
        with open(path, "rb") as stream:
            sha256, kept = self.add(stream)
        files.write_text(self._blob(git_blob), sha256 + "\n")
        return kept

    def partial(self, key: str) -> Path:
        """Where the download that `key` names is collected; what is there survives a crash."""
        path = self._path("partial", files.digest(key))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the lock that `key` names: of two processes after the same file, one downloads and the other waits."""
        from filelock import FileLock

        path = self._path("locks", files.digest(key))
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path):
            yield

    def _blob(self, git_blob: str) -> Path:
        if not _GIT_BLOB.fullmatch(git_blob):
            raise AnamnesisError(f"{git_blob!r} is no id of git: 40 digits, 0 to 9 and a to f")
        return self._path("blobs", git_blob)

    def _object(self, sha256: str) -> Path:
        if not is_sha256(sha256):
            raise AnamnesisError(f"{sha256!r} is no sha256: 64 digits, 0 to 9 and a to f")
        return self._path("objects", sha256[:2], sha256[2:])

    def _path(self, *names: str) -> Path:
        """A path below `root`. Raises AnamnesisError where a part of it is a symbolic link."""
        path = self.root
        for name in names:
            path /= name
            if path.is_symlink():
                raise AnamnesisError(f"{path}: a symbolic link in the cache, which is refused; remove it")
        return path


def default() -> Cache:
    """The user's cache, or the folder the environment variable ANAMNESIS_CACHE names.

    Raises:
        AnamnesisError: the folder cannot be made or written.
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
        raise AnamnesisError(f"{root}: cannot make the cache folder: {error.strerror}; {VARIABLE} moves it") from None
    if not os.access(root, os.W_OK):
        raise AnamnesisError(f"{root}: the cache folder cannot be written; {VARIABLE} moves it")
    return Cache(root)
