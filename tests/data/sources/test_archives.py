"""Archives are read right, and dangerous ones not at all."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile

import pytest

from anamnesis.data.sources import archives
from anamnesis.errors import AnamnesisError


def members(data: bytes, *paths: str) -> dict[str, bytes]:
    taken: dict[str, bytes] = {}
    archives.read_members(io.BytesIO(data), "a", list(paths), lambda path, stream: taken.update({path: stream.read()}))
    return taken


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_tar_of_every_compression(tar, compression):
    assert members(tar({"d/x.txt": b"one", "d/y.txt": b"two"}, compression), "d/y.txt") == {"d/y.txt": b"two"}


def test_nested_archives(tar, zipped):
    inner = tar({"words/big.txt": b"text", "words/other": b"-"}, "bz2")
    outer = tar({"p/words.bz2": inner, "p/plain.txt": b"plain"})
    whole = zipped({"deep/s.tar.gz": outer})
    path = "deep/s.tar.gz!/p/words.bz2!/words/big.txt"
    assert members(whole, path, "deep/s.tar.gz!/p/plain.txt") == {path: b"text", "deep/s.tar.gz!/p/plain.txt": b"plain"}


@pytest.mark.parametrize(
    ("pattern", "fits", "fails"),
    [
        ("a/*.mo", ["a/x.mo", "a/.mo"], ["a/b/x.mo", "a/xmo", "b/a/x.mo"]),
        ("**/nl/*.mo", ["nl/x.mo", "a/b/nl/x.mo"], ["anl/x.mo", "nl/a/x.mo"]),
        ("{en,nl}-??.json", ["en-ab.json", "nl-12.json"], ["de-ab.json", "en-abc.json", "en-a/.json"]),
        ("a.b(c)+", ["a.b(c)+"], ["aXb(c)+", "a.bc"]),
    ],
)
def test_patterns(pattern, fits, fails):
    matcher = archives.matcher(pattern)
    assert all(matcher.fullmatch(path) for path in fits)
    assert not any(matcher.fullmatch(path) for path in fails)


def test_missing_member_is_named(tar, zipped):
    for data in (tar({"a": b""}), zipped({"a": b""})):
        with pytest.raises(AnamnesisError, match=r"a: the archive has no member 'b'"):
            members(data, "a", "b")


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:evil"])
def test_paths_that_leave_are_refused(tar, zipped, name):
    for data in (tar({"good": b"x", name: b"x"}), zipped({name: b"x", "good": b"x"})):
        with pytest.raises(AnamnesisError, match=r"points out of the archive"):
            members(data, "good")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_tar_links_and_devices_are_refused(kind):
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode="w") as archive:
        info = tarfile.TarInfo("x")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(AnamnesisError, match=r"is a link|neither a file"):
        members(result.getvalue(), "x")


def test_zip_link_is_refused():
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(AnamnesisError, match=r"is a link"):
        members(result.getvalue(), "x")


def test_declared_size_is_bounded(tar, zipped, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 1000)
    for data in (tar({"x": bytes(1001)}), zipped({"x": bytes(1001)})):
        with pytest.raises(AnamnesisError, match=r"'x' claims 1,001 bytes; at most 1,000"):
            members(data, "x")
    assert members(zipped({"x": bytes(1000)}), "x") == {"x": bytes(1000)}


def test_bomb_before_the_member_is_refused_by_what_unpacks(tar, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_ARCHIVE", 2**20)
    data = tar({"bomb": bytes(2**22), "x": b"x"})
    assert len(data) < 2**14
    with pytest.raises(AnamnesisError, match=r"unpacks to more than 1,048,576 bytes"):
        members(data, "x")


def test_zip_that_lies_about_its_size_gives_no_more_than_it_says(zipped):
    data = bytearray(zipped({"x": bytes(10**6)}))
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = (10).to_bytes(4, "little")
    with pytest.raises(AnamnesisError, match=r"broken or unreadable"):
        members(bytes(data), "x")


def test_bomb_in_a_single_file_is_refused(monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 1000)
    with pytest.raises(AnamnesisError, match=r"unpacks to more than"):
        archives.unzip(gzip.compress(bytes(1001)), "x.gz")
    assert archives.unzip(gzip.compress(bytes(1000)), "x.gz") == bytes(1000)


def test_number_of_members_is_bounded(tar, zipped, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    names = {str(number): b"" for number in range(5)}
    for data in (tar(names), zipped(names)):
        with pytest.raises(AnamnesisError, match=r"more than 3 members"):
            members(data, "0")


@pytest.mark.parametrize(
    "damage", [lambda d: d[: len(d) // 2], lambda d: d[:20] + bytes(20) + d[40:], lambda d: b"no archive"]
)
def test_damage_is_one_line(tar, zipped, damage):
    content = bytes(range(256)) * 40
    for data in (tar({"x": content}), tar({"x": content}, "bz2"), tar({"x": content}, "xz"), zipped({"x": content})):
        with pytest.raises(AnamnesisError, match=r"^a:") as caught:
            members(damage(data), "x")
        assert "\n" not in str(caught.value)


def test_compressed_files_that_are_no_tar():
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        with pytest.raises(AnamnesisError, match=r"broken or unreadable"):
            members(pack(b"just text"), "x")


def test_one_limit_for_all_members_that_are_read(tar, zipped, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_ARCHIVE", 100_000)
    files = {f"{name}.txt": bytes(30_000) for name in "abcd"}
    inner = zipped(files)
    taken: list[str] = []

    def take(path, stream):
        stream.read()
        taken.append(path)

    for data, path in (
        (zipped(files), "*.txt"),
        (zipped({"x": inner}), "x!/*.txt"),
        (zipped({"1": inner}), "1!/?.txt"),
    ):
        taken.clear()
        with pytest.raises(AnamnesisError, match="with the members before it, unpacks to more than 100,000 bytes"):
            archives.read_members(io.BytesIO(data), "a", [path], take)
        assert len(taken) == 3
    # Two archives inside share the limit, too.
    half = zipped({"a.txt": bytes(30_000), "b.txt": bytes(30_000)})
    with pytest.raises(AnamnesisError, match="with the members before it"):
        members(zipped({"1.zip": half, "2.zip": half}), "*.zip!/*.txt")
    assert len(members(zipped({"1.zip": half, "2.zip": half}), "*.zip!/a.txt")) == 2
    two = {name: files[name] for name in ("a.txt", "b.txt")}
    assert members(tar(two), "*.txt") == two


def test_holes_of_sparse_members_count(monkeypatch):
    """Each is a header in the archive, and 30,000 zeros to who reads it."""
    monkeypatch.setattr(archives, "LARGEST_ARCHIVE", 100_000)
    data = b""
    for name in "abcd":
        info = tarfile.TarInfo(f"{name}.txt")
        info.type = tarfile.GNUTYPE_SPARSE
        header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        header[386:410], header[483:495] = b"%011o\0" % 30_000 + b"%011o\0" % 0, b"%011o\0" % 30_000
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        data += header
    data += bytes(1024)
    assert members(data, "a.txt", "c.txt") == {"a.txt": bytes(30_000), "c.txt": bytes(30_000)}
    with pytest.raises(AnamnesisError, match=r"a: d\.txt: with the members before it"):
        members(data, "*.txt")


def test_what_the_taker_raises_is_not_the_archive_s_fault(tar):
    def full(path, stream):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left on device"):
        archives.read_members(io.BytesIO(tar({"a": b"x"})), "a", ["a"], full)
