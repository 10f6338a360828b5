"""Reading members of untrusted archives.

Nothing is unpacked under a name of the archive's choice: a member is a stream of bytes, of bounded length, that the
caller stores under its digest. Names that point out of the archive, links, encrypted members and archive bombs are
refused. Every exception that a library raises about an archive's bytes becomes an AnamnesisError.
"""

import bz2
import gzip
import io
import itertools
import lzma
import re
import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, BinaryIO, cast

from anamnesis.data.sources.patterns import matcher
from anamnesis.errors import AnamnesisError

LARGEST_MEMBER = 2**30
# Bytes that a tar unpacks to, and that all members read from an archive and its nested archives unpack to.
LARGEST_ARCHIVE = 2 * 2**30
LARGEST_HEADER = 2**16
LONGEST_NAME = 4096
MOST_MEMBERS = 200_000

Take = Callable[[str, IO[bytes]], None]


class Budget:
    """How many bytes may still be read from one or more streams; `what` begins the error when none is left."""

    def __init__(self, limit: int, what: str = "unpacks to") -> None:
        self.limit = self.left = limit
        self.what = what


class Bounded(io.RawIOBase):
    """A stream that raises AnamnesisError where it is damaged, or where more bytes are read than a budget allows.

    Args:
        stream: the source of the bytes.
        name: the stream's name, for errors.
        budgets: each pays for every byte.
    """

    def __init__(self, stream: IO[bytes], name: str, *budgets: Budget) -> None:
        self.stream, self.name, self.budgets = stream, name, budgets

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        most = min(budget.left for budget in self.budgets) + 1
        with _damage_is_an_error(self.name):
            data = self.stream.read(most if size is None or size < 0 else min(size, most))
        for budget in self.budgets:
            budget.left -= len(data)
            if budget.left < 0:
                raise AnamnesisError(f"{self.name}: {budget.what} more than {budget.limit:,} bytes, which is refused")
        return data

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


@contextmanager
def _damage_is_an_error(name: str) -> Iterator[None]:
    """Raise AnamnesisError for every exception of a library that reads an archive."""
    try:
        yield
    except AnamnesisError:
        raise
    except Exception as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise AnamnesisError(f"{name}: broken or unreadable archive: {words}") from None


def read_members(
    archive: BinaryIO,
    name: str,
    paths: list[str],
    take: Take,
    budget: Budget | None = None,
) -> None:
    """Call `take` for every member that one of `paths` selects, in the order of the archive.

    Args:
        archive: a seekable binary stream of a zip, or of a tar, plain or compressed by gzip, bzip2 or xz.
        name: the archive's name, for errors.
        paths: paths of members, or patterns; `!/` enters an archive inside the archive.
        take: called with a member's full path (with `!/`) and a stream of its bytes.
        budget: bytes that all members together may have; None: LARGEST_ARCHIVE.

    Raises:
        AnamnesisError: the archive is broken or dangerous, or a path selects nothing.
    """
    shared = budget or Budget(LARGEST_ARCHIVE, "with the members before it, unpacks to")
    steps = {path: path.split("!/", 1) for path in paths}
    outer = {path: (matcher(parts[0]), parts[1] if len(parts) > 1 else None) for path, parts in steps.items()}
    matched: set[str] = set()

    def visit(member: str, open_member: Callable[[], IO[bytes]]) -> None:
        hits = [(path, rest) for path, (pattern, rest) in outer.items() if pattern.fullmatch(member)]
        if not hits:
            return
        _check_printable(member, name)
        matched.update(path for path, _ in hits)
        inner = [rest for _, rest in hits if rest is not None]
        with open_member() as stream:
            bounded = Bounded(stream, f"{name}: {member}", Budget(LARGEST_MEMBER), shared)
            if not inner:
                take(member, cast(IO[bytes], bounded))
                return
            data = io.BytesIO(bounded.read())
        if len(inner) < len(hits):
            take(member, data)
            data.seek(0)
        read_members(
            data, f"{name}: {member}", inner, lambda path, part: take(f"{member}!/{path}", part), budget=shared
        )

    with _damage_is_an_error(name):
        archive.seek(0)
        zipped = archive.read(2) == b"PK"
    _walk_zip(archive, name, visit) if zipped else _walk_tar(archive, name, visit)
    missing = [path for path in paths if path not in matched]
    if missing:
        raise AnamnesisError(f"{name}: the archive has no member {missing[0].split('!/')[0]!r}")


Visit = Callable[[str, Callable[[], IO[bytes]]], None]


def _walk_zip(archive: BinaryIO, name: str, visit: Visit) -> None:
    with _damage_is_an_error(name):
        opened = zipfile.ZipFile(archive)
    with opened:
        entries = opened.infolist()
        _check_count(len(entries), name)
        for info in entries:
            _check_name(info.orig_filename, name)
        for info in sorted(entries, key=lambda info: info.header_offset):
            if not info.filename.endswith("/"):
                visit(info.filename, lambda info=info: _zip_stream(opened, info, name))  # type: ignore[misc]


def _zip_stream(opened: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> IO[bytes]:
    if stat.S_ISLNK(info.external_attr >> 16):
        raise AnamnesisError(f"{name}: the member {info.filename!r} is a link, which is refused")
    if info.flag_bits & 1:
        raise AnamnesisError(f"{name}: the member {info.filename!r} is encrypted")
    _check_size(info.file_size, info.filename, name)
    with _damage_is_an_error(name):
        return opened.open(info)


def _walk_tar(archive: BinaryIO, name: str, visit: Visit) -> None:
    with _decompress(archive, name) as stream:
        headers = Budget(LARGEST_HEADER, "the header of a member has")
        bounded = Bounded(stream, name, Budget(LARGEST_ARCHIVE), headers)
        with _damage_is_an_error(name):
            opened = tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r|")  # noqa: SIM115
        with opened:
            for count in itertools.count(1):
                headers.left = LARGEST_HEADER
                with _damage_is_an_error(name):
                    info = opened.next()
                if info is None:
                    return
                _check_count(count, name)
                _check_name(info.name, name)
                headers.left = LARGEST_ARCHIVE
                if not info.isdir():
                    visit(info.name.removeprefix("./"), lambda info=info: _tar_stream(opened, info, name))  # type: ignore[misc]
                # tarfile would keep a list of all members.
                opened.members = []  # type: ignore[attr-defined]
                # tarfile would read as many blocks as a header claims, also after the end of the archive.
                if opened.offset > LARGEST_ARCHIVE:
                    raise AnamnesisError(f"{name}: unpacks to more than {LARGEST_ARCHIVE:,} bytes, which is refused")
                with _damage_is_an_error(name):
                    opened.fileobj.seek(max(opened.offset, opened.fileobj.tell()))


def _tar_stream(opened: tarfile.TarFile, info: tarfile.TarInfo, name: str) -> IO[bytes]:
    if info.issym() or info.islnk():
        raise AnamnesisError(f"{name}: the member {info.name!r} is a link, which is refused")
    if not info.isfile():
        raise AnamnesisError(f"{name}: the member {info.name!r} is neither a file nor a folder")
    _check_size(info.size, info.name, name)
    with _damage_is_an_error(name):
        stream = opened.extractfile(info)
    assert stream is not None
    return stream


@contextmanager
def _decompress(archive: BinaryIO, name: str) -> Iterator[IO[bytes]]:
    with _damage_is_an_error(name):
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


def unzip(data: bytes, name: str) -> bytes:
    """The content of a gzip-compressed file. Raises AnamnesisError where it is damaged or too large."""
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        return Bounded(cast(IO[bytes], stream), name, Budget(LARGEST_MEMBER)).read()


def _check_count(count: int, name: str) -> None:
    if count > MOST_MEMBERS:
        raise AnamnesisError(f"{name}: more than {MOST_MEMBERS:,} members, which is refused")


def _check_size(size: int, member: str, name: str) -> None:
    if size > LARGEST_MEMBER:
        raise AnamnesisError(
            f"{name}: the member {member!r} claims {size:,} bytes; at most {LARGEST_MEMBER:,} are read"
        )


def _check_name(member: str, name: str) -> None:
    """Refuse an archive with a dangerous name, even of a member that is not read."""
    if len(member) > LONGEST_NAME:
        raise AnamnesisError(f"{name}: a member's name has more than {LONGEST_NAME:,} characters, which is refused")
    path = PurePosixPath(member.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", member) or "\0" in member:
        raise AnamnesisError(f"{name}: the member {member!r} points out of the archive, which is refused")


def _check_printable(member: str, name: str) -> None:
    """Refuse to read a member whose name does not fit on a line of text."""
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in member):
        raise AnamnesisError(f"{name}: the member {member!r} has control characters in its name, which is refused")
