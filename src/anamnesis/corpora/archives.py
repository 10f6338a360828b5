"""Reading files out of archives that nobody vouches for.

Nothing is ever unpacked under a name the archive chose: a member is a stream of bytes, of bounded length, that the
caller stores under its own digest. Names that point elsewhere, links, encrypted members and bombs are refused all the
same.
"""

import bz2
import gzip
import io
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, BinaryIO, cast

from anamnesis.corpora.settings import PATTERN
from anamnesis.errors import AnamnesisError

LARGEST_MEMBER = 2**30
LARGEST_ARCHIVE = 2 * 2**30
MOST_MEMBERS = 200_000
BLOCK = 2**20

Take = Callable[[str, IO[bytes]], None]


class Bounded(io.RawIOBase):
    """A stream that raises AnamnesisError once more than `limit` bytes were read from it."""

    def __init__(self, stream: IO[bytes], limit: int, name: str) -> None:
        self.stream, self.limit, self.name, self.count = stream, limit, name, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        size = -1 if size is None else size
        data = self.stream.read(min(size, self.limit - self.count + 1) if size >= 0 else self.limit - self.count + 1)
        self.count += len(data)
        if self.count > self.limit:
            raise AnamnesisError(f"{self.name}: unpacks to more than {self.limit:,} bytes, which is refused")
        return data

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


def matcher(pattern: str) -> re.Pattern[str]:
    """A regular expression for one step of a member's path: `*` and `?` within a name, `**/` any folders, `{a,b}`."""
    result, depth, index = "", 0, 0
    while index < len(pattern):
        if pattern.startswith("**/", index):
            result, index = result + "(?:[^/]+/)*", index + 3
            continue
        char = pattern[index]
        if char == "{":
            result, depth = result + "(?:", depth + 1
        elif char == "}" and depth:
            result, depth = result + ")", depth - 1
        elif char == "," and depth:
            result += "|"
        else:
            result += {"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char))
        index += 1
    return re.compile(result)


def is_pattern(path: str) -> bool:
    """Whether a member's path selects by a pattern."""
    return bool(PATTERN.search(path))


def read_members(archive: BinaryIO, name: str, paths: list[str], take: Take, zipped: bool | None = None) -> None:
    """Hand every member of the archive that one of `paths` selects to `take`, in the order of the archive.

    Args:
        archive: a seekable binary stream of a zip, or of a tar, plain or compressed by gzip, bzip2 or xz.
        name: the archive's name, for errors.
        paths: members' paths or patterns; `!/` enters an archive inside the archive.
        take: called with a member's full path (with `!/`) and a stream of its bytes.
        zipped: whether it is a zip; None: look at its first bytes.

    Raises:
        AnamnesisError: the archive is broken or dangerous, or a path selects nothing.
    """
    steps = {path: path.split("!/", 1) for path in paths}
    outer = {path: (matcher(parts[0]), parts[1] if len(parts) > 1 else None) for path, parts in steps.items()}
    found: set[str] = set()

    def visit(member: str, open_member: Callable[[], IO[bytes]]) -> None:
        hits = [(path, rest) for path, (pattern, rest) in outer.items() if pattern.fullmatch(member)]
        if not hits:
            return
        found.update(path for path, _ in hits)
        inner = [rest for _, rest in hits if rest is not None]
        with open_member() as stream:
            bounded = Bounded(stream, LARGEST_MEMBER, f"{name}: {member}")
            if not inner:
                take(member, cast(IO[bytes], bounded))
                return
            data = io.BytesIO(bounded.read())
        if len(inner) < len(hits):
            take(member, data)
            data.seek(0)
        read_members(data, f"{name}: {member}", inner, lambda path, part: take(f"{member}!/{path}", part))

    try:
        if zipped is None:
            archive.seek(0)
            zipped = archive.read(2) == b"PK"
        _walk_zip(archive, name, visit) if zipped else _walk_tar(archive, name, visit)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        lzma.LZMAError,
        zlib.error,
        OSError,
        NotImplementedError,
    ) as error:
        raise AnamnesisError(f"{name}: broken or unreadable archive: {' '.join(str(error).split())}") from None
    missing = [path for path in paths if path not in found]
    if missing:
        raise AnamnesisError(f"{name}: the archive has no member {missing[0].split('!/')[0]!r}")


def member_spans(archive: BinaryIO, name: str, paths: list[str]) -> list[tuple[int, int]]:
    """Where the members of a zip that `paths` select lie in the archive: (first byte, end), header included.

    Raises:
        AnamnesisError: the archive is no zip or broken.
    """
    patterns = [matcher(path.split("!/", 1)[0]) for path in paths]
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = sorted(opened.infolist(), key=lambda info: info.header_offset)
            ends = [info.header_offset for info in entries[1:]] + [opened.start_dir]
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise AnamnesisError(f"{name}: broken or unreadable archive: {error}") from None
    return [
        (info.header_offset, end)
        for info, end in zip(entries, ends, strict=True)
        if any(pattern.fullmatch(info.filename) for pattern in patterns)
    ]


Visit = Callable[[str, Callable[[], IO[bytes]]], None]


def _walk_zip(archive: BinaryIO, name: str, visit: Visit) -> None:
    with zipfile.ZipFile(archive) as opened:
        entries = opened.infolist()
        _check_count(len(entries), name)
        for info in entries:
            _check_name(info.orig_filename, name)
        for info in sorted(entries, key=lambda info: info.header_offset):
            if not info.is_dir():
                visit(info.filename, lambda info=info: _zip_stream(opened, info, name))  # type: ignore[misc]


def _zip_stream(opened: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> IO[bytes]:
    if stat.S_ISLNK(info.external_attr >> 16):
        raise AnamnesisError(f"{name}: the member {info.filename!r} is a link, which is refused")
    if info.flag_bits & 1:
        raise AnamnesisError(f"{name}: the member {info.filename!r} is encrypted")
    _check_size(info.file_size, info.filename, name)
    return opened.open(info)


def _walk_tar(archive: BinaryIO, name: str, visit: Visit) -> None:
    with _decompressed(archive) as stream:
        bounded = cast(IO[bytes], Bounded(stream, LARGEST_ARCHIVE, name))
        with tarfile.open(fileobj=bounded, mode="r|") as opened:
            for count, info in enumerate(opened):
                _check_count(count, name)
                _check_name(info.name, name)
                if not info.isdir():
                    visit(info.name.removeprefix("./"), lambda info=info: _tar_stream(opened, info, name))  # type: ignore[misc]
                # A stream is never revisited: do not keep a list that grows with the archive.
                opened.members = []  # type: ignore[attr-defined]


def _tar_stream(opened: tarfile.TarFile, info: tarfile.TarInfo, name: str) -> IO[bytes]:
    if info.issym() or info.islnk():
        raise AnamnesisError(f"{name}: the member {info.name!r} is a link, which is refused")
    if not info.isfile():
        raise AnamnesisError(f"{name}: the member {info.name!r} is neither a file nor a folder")
    _check_size(info.size, info.name, name)
    stream = opened.extractfile(info)
    assert stream is not None
    return stream


@contextmanager
def _decompressed(archive: BinaryIO) -> Iterator[IO[bytes]]:
    archive.seek(0)
    magic = archive.read(6)
    archive.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=archive))
    elif magic.startswith(b"BZh"):
        stream = cast(IO[bytes], bz2.BZ2File(archive))
    elif magic == b"\xfd7zXZ\0":
        stream = cast(IO[bytes], lzma.LZMAFile(archive))  # noqa: SIM115
    else:
        yield archive
        return
    with stream:
        yield stream


def unzipped(data: bytes, name: str) -> bytes:
    """What a single gzip-compressed file holds. Raises AnamnesisError where it is broken or too large."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            return Bounded(cast(IO[bytes], stream), LARGEST_MEMBER, name).read()
    except (OSError, EOFError, zlib.error) as error:
        raise AnamnesisError(f"{name}: broken gzip file: {error}") from None


def _check_count(count: int, name: str) -> None:
    if count > MOST_MEMBERS:
        raise AnamnesisError(f"{name}: more than {MOST_MEMBERS:,} members, which is refused")


def _check_size(size: int, member: str, name: str) -> None:
    if size > LARGEST_MEMBER:
        raise AnamnesisError(
            f"{name}: the member {member!r} claims {size:,} bytes; at most {LARGEST_MEMBER:,} are read"
        )


def _check_name(member: str, name: str) -> None:
    path = PurePosixPath(member.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", member) or "\0" in member:
        raise AnamnesisError(f"{name}: the member {member!r} points out of the archive, which is refused")
