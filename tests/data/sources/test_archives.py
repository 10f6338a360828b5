"""Archives: members are read correctly, and dangerous archives are refused."""

import gzip
import io

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


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:evil"])
def test_paths_out_of_the_archive_are_refused(tar, zipped, name):
    for data in (tar({"good": b"x", name: b"x"}), zipped({name: b"x", "good": b"x"})):
        with pytest.raises(AnamnesisError, match=r"points out of the archive"):
            members(data, "good")


def test_no_member_unpacks_to_more_than_the_limit(tar, zipped, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 1000)
    for data in (tar({"x": bytes(1001)}), zipped({"x": bytes(1001)})):
        with pytest.raises(AnamnesisError, match=r"'x' claims 1,001 bytes; at most 1,000"):
            members(data, "x")
    with pytest.raises(AnamnesisError, match=r"unpacks to more than"):
        archives.unzip(gzip.compress(bytes(1001)), "x.gz")
    assert members(zipped({"x": bytes(1000)}), "x") == {"x": archives.unzip(gzip.compress(bytes(1000)), "x.gz")}


def test_a_bomb_before_the_member_is_refused(tar, monkeypatch):
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


def test_number_of_members_is_bounded(tar, zipped, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    names = {str(number): b"" for number in range(5)}
    for data in (tar(names), zipped(names)):
        with pytest.raises(AnamnesisError, match=r"more than 3 members"):
            members(data, "0")


def test_one_limit_for_all_members_that_are_read(tar, zipped, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_ARCHIVE", 100_000)
    files = {f"{name}.txt": bytes(30_000) for name in "abcd"}
    for data, path in ((zipped(files), "*.txt"), (zipped({"x": zipped(files)}), "x!/*.txt")):
        taken: list[bytes] = []
        with pytest.raises(AnamnesisError, match="with the members before it, unpacks to more than 100,000 bytes"):
            archives.read_members(
                io.BytesIO(data), "a", [path], lambda _, stream, taken=taken: taken.append(stream.read())
            )
        assert len(taken) == 3
    # Two archives inside share the limit, too.
    half = zipped({"a.txt": bytes(30_000), "b.txt": bytes(30_000)})
    with pytest.raises(AnamnesisError, match="with the members before it"):
        members(zipped({"1.zip": half, "2.zip": half}), "*.zip!/*.txt")
    assert len(members(zipped({"1.zip": half, "2.zip": half}), "*.zip!/a.txt")) == 2
    two = {name: files[name] for name in ("a.txt", "b.txt")}
    assert members(tar(two), "*.txt") == two


def test_errors_of_the_caller_are_passed_on(tar):
    def full(path, stream):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left on device"):
        archives.read_members(io.BytesIO(tar({"a": b"x"})), "a", ["a"], full)
