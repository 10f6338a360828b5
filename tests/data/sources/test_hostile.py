"""Hostile indexes, servers, mirrors, archives and caches: only the project and the cache change, no half-written file
remains, and the user gets one line."""

import bz2
import contextlib
import gzip
import hashlib
import io
import json
import lzma
import os
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from anamnesis import console
from anamnesis.data.settings import Corpus
from anamnesis.data.sources import archives, http, pip_index, released
from anamnesis.data.sources.cache import Cache
from anamnesis.data.sources.settings import Member, Package, PackageFile
from anamnesis.errors import AnamnesisError
from anamnesis.stages.fetch import fetch

BOOK = "".join(f"This is line {number} of my book.\n\n" for number in range(200)).encode()
SDIST, WHEEL = "b-1.tar.gz", "b-1-py3-none-any.whl"
JSON = "application/vnd.pypi.simple.v1+json"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class World:
    """A server with a good archive, the home of its user, which must not change, and functions that write archives."""

    web: Any
    home: Path
    cache: Path
    tar: Callable[..., bytes]
    zipped: Callable[[dict[str, bytes]], bytes]
    setenv: Callable[[str, str], None]

    def lists(self, entry: dict[str, Any], **page: Any) -> None:
        """Let the index list the good archive with this entry, on a page with these values."""
        file = {"filename": SDIST, "url": f"/files/{SDIST}", "hashes": {}, **entry}
        content = {"meta": {"api-version": "1.0"}, "name": "b", "files": [file], **page}
        self.answers(json.dumps(content).encode(), JSON)

    def answers(self, page: bytes, kind: str) -> None:
        """Let the index's page be this one."""
        self.web.files["/simple/b/"], self.web.types["/simple/b/"] = page, kind

    def archive(self, data: bytes, file: str = SDIST) -> None:
        """Let the index list an archive of this content."""
        self.web.index("b", {file: data})

    def sends_on(self, location: str, path: str = f"/files/{SDIST}") -> None:
        """Let the address of the good archive, or another one, redirect to this one."""
        self.web.redirects[path] = location

    def headers(self, path: str = f"/files/{SDIST}", **headers: str) -> None:
        """Let the good archive come with these headers."""
        self.web.headers[path] = {name.replace("_", "-"): value for name, value in headers.items()}

    def fails(self, *statuses: int, reason: str | None = None, **headers: str) -> None:
        """Let the first requests have these statuses and this reason."""
        self.headers("/simple/b/", **headers)
        self.web.statuses, self.web.reason = list(statuses), reason

    def leaves_over(self) -> None:
        """Leave files as of a killed process, and a link to the home, in the folder of the cache for new files."""
        left = self.cache / "incoming" / "left"
        left.mkdir(parents=True)
        (left / "old").write_bytes(b"x")
        (left / "place").write_text("../../home/new")
        (left.parent / "link").symlink_to(self.home, target_is_directory=True)

    def links(self, folder: str, name: str = "") -> None:
        """Let a folder of the cache, or a file of it, be a symbolic link to the home, or to a file there."""
        place = self.cache / folder
        (place if name else self.cache).mkdir(parents=True, exist_ok=True)
        if name:
            (place / name).symlink_to(self.home / "letters.txt")
        else:
            place.symlink_to(self.home, target_is_directory=True)


def tar_of(content: bytes = BOOK, **fields: Any) -> bytes:
    """A tar whose one member has this content, and these fields in its header."""
    info = tarfile.TarInfo("a")
    info.size = len(content)
    for name, value in fields.items():
        setattr(info, name, value)
    return info.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape") + content + bytes(-len(content) % 512 + 1024)


def sparse_tar(size: int, name: str = "a") -> bytes:
    """A tar of some hundred bytes with one GNU sparse member: a hole of that size."""
    header = bytearray(tar_of(name=name, type=tarfile.GNUTYPE_SPARSE, size=0)[:512])
    header[386:398], header[398:410], header[483:495] = b"%011o\0" % size, b"%011o\0" % 0, b"%011o\0" % size
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(1024)


def nameless_zip() -> bytes:
    """A zip with one empty member that has no name."""
    entry = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    listed = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    return entry + listed + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(listed), len(entry), 0)


def zip_of(name: str, data: bytes = BOOK, **fields: Any) -> bytes:
    """A zip with one member, whose entry has these fields."""
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo("x" * len(name))
        for field, value in fields.items():
            setattr(info, field, value)
        archive.writestr(info, data)
    return result.getvalue().replace(b"x" * len(name), name.encode("utf-8"))


# Name -> (what the attacker does, the error); an error of None: the attack has no effect, and the book arrives.
CASES: dict[str, tuple[Callable[[World], object], str | None]] = {
    # An index's digests, as a path from cache/objects/aa/.
    "digest-relative": (
        lambda w: w.lists({"hashes": {"sha256": "aa../../../home/letters.txt"}}),
        "/simple/b/: the index states 'aa../../../home/letters.txt' as the file's sha256, which is invalid",
    ),
    "digest-html": (lambda w: w.web.index("b", {SDIST: b""}, sha256="aa../../../home/letters.txt"), "which is invalid"),
    "digest-line": (lambda w: w.lists({"hashes": {"sha256": "0" * 64 + "\n"}}), "which is invalid"),
    "digest-figures": (lambda w: w.lists({"hashes": {"sha256": "\u0663" * 64}}), "which is invalid"),
    "digest-number": (lambda w: w.lists({"hashes": {"sha256": 5}}), "answer cannot be read"),
    "digest-capitals": (lambda w: w.lists({"hashes": {"sha256": sha256(w.tar({"a": BOOK})).upper()}}), None),
    "digest-wrong": (lambda w: w.lists({"hashes": {"sha256": "0" * 64}}), "the package index says otherwise"),
    # An index's addresses.
    "address-file": (lambda w: w.lists({"url": (w.home / SDIST).as_uri()}), "names a file of this machine"),
    "address-base": (
        lambda w: w.answers(f'<base href="file://{w.home}/"><a href="{SDIST}">{SDIST}</a>'.encode(), "text/html"),
        "names a file of this machine",
    ),
    "address-kind": (lambda w: w.lists({"url": "ftp://host/x"}), "allowed: http, https, file"),
    "address-bracket": (lambda w: w.lists({"url": "http://[::1"}), "answer cannot be read"),
    "address-port": (lambda w: w.lists({"url": "http://host:x/"}), "an address is not valid"),
    "address-surrogate": (lambda w: w.lists({"url": "/\ud800"}), "answer cannot be read"),
    "address-escape": (lambda w: w.lists({"url": "/files/\x1b[31m\n"}), "no such file"),
    "address-password": (lambda w: w.lists({"url": "http://user:p4ss@[::1]:1/"}), r"http://\[::1\]:1/: no answer"),
    # An index's pages.
    "page-plain": (lambda w: w.answers(b"hello", "text/plain"), "answer cannot be read: .*Content-Type 'text/plain'"),
    "page-no-json": (lambda w: w.answers(b"{", JSON), "answer cannot be read"),
    "page-deep": (lambda w: w.answers(b"[" * 100_000, JSON), "answer cannot be read"),
    "page-number": (lambda w: w.answers(b"9" * 5000, JSON), "answer cannot be read"),
    "page-list": (lambda w: w.answers(b"[]", JSON), "answer cannot be read"),
    "page-null": (lambda w: w.lists({}, name=None, files=None), "answer cannot be read"),
    "page-file": (lambda w: w.lists({}, files=[7]), "answer cannot be read"),
    "page-no-type": (lambda w: w.answers(b"{}", ""), "answer cannot be read"),
    "page-version": (lambda w: w.lists({}, meta={"api-version": "9.0"}), "answer cannot be read: .*9.0"),
    "page-deep-html": (lambda w: w.answers(b"<p>" * 3_000, "text/html"), "answer cannot be read|has this file"),
    "page-bytes": (lambda w: w.answers(bytes(range(256)), "text/html; charset=x"), "no package index .* has this file"),
    # A server's headers.
    "length": (lambda w: w.headers(Content_Length="\u00b2"), None),
    "length-long": (lambda w: w.headers(Content_Length="9" * 5000), None),
    "length-large": (lambda w: w.headers(Content_Length=str(2**40)), "1,099,511,627,776 bytes; at most"),
    "retry": (lambda w: w.fails(503, Retry_After="\u00b2"), None),
    "retry-date": (lambda w: w.fails(503, Retry_After="Mon, 1 Jan 1 0:0:0 +99999"), None),
    "type": (lambda w: w.headers("/simple/b/", Content_Type=";;=\u00e4"), "answer cannot be read"),
    "reason": (lambda w: w.fails(*[403] * 9, reason="\x1b[31m\x9bNo\r"), "the server answers 403 .*No"),
    "onward-bracket": (lambda w: w.sends_on("http://[::1"), "an address is not valid"),
    "onward-file": (lambda w: w.sends_on((w.home / SDIST).as_uri()), "neither http nor https"),
    "onward-bytes": (lambda w: w.sends_on("/\u00ff"), "an address is not valid"),
    "onward-escape": (lambda w: w.sends_on("\x1b[31m:x"), "no such file|neither http nor https"),
    "onward-page": (lambda w: w.sends_on("file:///etc/passwd", "/simple/b/"), "neither http nor https"),
    # An archive's members.
    "member-up": (lambda w: w.archive(w.tar({"../home/letters.txt": b"x", "a": BOOK})), "points out of the archive"),
    "member-link": (
        lambda w: w.archive(tar_of(type=tarfile.SYMTYPE, linkname=str(w.home / "letters.txt"))),
        "is a link",
    ),
    "member-hard-link": (lambda w: w.archive(tar_of(type=tarfile.LNKTYPE, linkname="x")), "is a link"),
    "member-device": (lambda w: w.archive(tar_of(type=tarfile.BLKTYPE)), "neither a file nor a folder"),
    "member-large": (lambda w: w.archive(tar_of(size=2**60)), "claims 1,152,921,504,606,846,976 bytes"),
    "member-endless": (lambda w: w.archive(tar_of(name="b", size=2**80)), "unpacks to more than"),
    "member-negative": (lambda w: w.archive(tar_of(name="b", size=-(2**30))), "broken or unreadable"),
    "member-header": (
        lambda w: w.archive(gzip.compress(tar_of(type=tarfile.XHDTYPE, size=2**40) + bytes(2**22))),
        "the header of a member has more than 65,536 bytes",
    ),
    "member-long-name": (lambda w: w.archive(w.tar({"a/" * 3000: BOOK})), "more than 4,096 characters"),
    "member-sparse": (lambda w: w.archive(sparse_tar(2**32)), "claims 4,294,967,296 bytes"),
    "member-zip-up": (lambda w: w.archive(zip_of("../letters.txt"), WHEEL), "points out of the archive"),
    "member-zip-link": (lambda w: w.archive(zip_of("a", external_attr=0o120777 << 16), WHEEL), "is a link"),
    "member-zip-no-name": (lambda w: w.archive(nameless_zip(), WHEEL), "has no member 'a'"),
    "member-control": (lambda w: w.archive(tar_of(name="a\x1b[31m\n0  b")), "control characters in its name"),
    "member-bytes": (lambda w: w.archive(tar_of(name="a\udcff")), "control characters in its name"),
    "member-zip-control": (lambda w: w.archive(zip_of("a\r\x1b"), WHEEL), "control characters in its name"),
    "archive-none": (lambda w: w.archive(b"\x1f\x8b\x08\0" + bytes(9)), "broken or unreadable"),
    # Files in the folder of the cache.
    "cache-objects": (lambda w: w.links("objects"), "a symbolic link in the cache"),
    "cache-incoming": (lambda w: w.links("incoming"), "a symbolic link in the cache"),
    "cache-locks": (lambda w: w.links("locks"), "a symbolic link in the cache"),
    "cache-leftover": (lambda w: w.leaves_over(), None),
    "cache-object": (
        lambda w: w.links(f"objects/{sha256(BOOK)[:2]}", sha256(BOOK)[2:]),
        "a symbolic link in the cache",
    ),
    # The configuration of pip.
    "pip-timeout": (lambda w: w.setenv("PIP_TIMEOUT", "abc"), "PIP_TIMEOUT.*found 'abc'; allowed: a number of seconds"),
    "pip-retries": (lambda w: w.setenv("PIP_RETRIES", "-1"), "PIP_RETRIES.*found '-1'; allowed: 0 to 999"),
    "pip-certificate": (lambda w: w.setenv("PIP_CERT", "/nonexistent"), r"PIP_CERT\): /nonexistent: no such"),
    "pip-index": (lambda w: w.setenv("PIP_INDEX_URL", "http://user:p4/ss@host/simple"), "http://host/simple/b/: "),
    "pip-bracket": (lambda w: w.setenv("PIP_INDEX_URL", "http://[::1/simple"), "answer cannot be read"),
    "pip-proxy": (lambda w: w.setenv("PIP_PROXY", "http://user:P4assword@[::1"), "b-1.tar.gz: "),
    "pip-links": (
        lambda w: (w.web.files.clear(), w.setenv("PIP_FIND_LINKS", "~nobody-of-that-name/x")),
        "~nobody-of-that-name/x: ",
    ),
    "mirror": (lambda w: w.setenv("ANAMNESIS_MIRROR", "http://[::1"), "an address is not valid"),
    "mirror-password": (lambda w: w.setenv("ANAMNESIS_MIRROR", "http://user:p4ss@[::1]:1"), r"http://\[::1\]:1/book/a"),
}


def snapshot(folder: Path, *left_out: Path) -> dict[str, Any]:
    """Every path below the folder, except those in `left_out` -> its kind and permissions, and its content."""
    result = {}
    for path in sorted(folder.rglob("*")):
        if not any(path.is_relative_to(other) for other in left_out):
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            result[str(path.relative_to(folder))] = (path.lstat().st_mode, content)
    return result


def is_verified(cache: Path) -> bool:
    """Whether every file of the cache has its own digest as its name, and no broken download remains."""
    objects, incoming = (
        list(folder.rglob("*")) if not folder.is_symlink() else [] for folder in (cache / "objects", cache / "incoming")
    )
    files = [path for path in objects if path.is_file() and not path.is_symlink()]
    return all(path.is_symlink() for path in incoming) and all(
        sha256(path.read_bytes()) == path.parent.name + path.name for path in files
    )


def corpus(path: str, digest: str, file: str) -> Corpus:
    members = [{"path": path, "sha256": digest}]
    source = {"kind": "package", "files": [{"package": "b", "file": file, "members": members}]}
    return TypeAdapter(Corpus).validate_python({"reader": "text", "source": source})


@pytest.mark.parametrize("name", CASES)
def test_an_attack_changes_nothing_and_gives_one_line(web, tar, zipped, tmp_path, monkeypatch, capsys, name):
    home, project, cache, temporary = (tmp_path / name for name in ("home", "project", "cache", "tmp"))
    for folder in (home, project, temporary):
        folder.mkdir()
    (home / "letters.txt").write_bytes(b"dear")
    (home / SDIST).write_bytes(tar({"a": BOOK}))
    monkeypatch.chdir(project)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(console, "_exit_on_signals", lambda: None)  # these are the test's own process's
    prepare, problem = CASES[name]
    web.index("b", {SDIST: tar({"a": BOOK})})
    prepare(World(web, home, cache, tar, zipped, monkeypatch.setenv))
    before = snapshot(tmp_path, project, cache)
    # A pattern selects the members with hostile names.
    pattern = name in ("member-control", "member-bytes", "member-zip-control")
    file = WHEEL if f"/files/{WHEEL}" in web.files else SDIST
    entry = corpus("{a,[a]}*" if pattern else "a", sha256(BOOK), file)
    if problem is None:
        fetch("book", entry, project)
        splits = [(project / f"data/raw/book/{split}.txt").read_bytes() for split in ("train", "valid", "test")]
        assert b"".join(splits) == BOOK
    else:
        with pytest.raises(SystemExit):
            console.run(lambda: print(fetch("book", entry, project)))
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("error: ")
        assert shown.err.removesuffix("\n").isprintable()
        assert "p4" not in shown.err.lower()
        with pytest.raises(AnamnesisError, match=problem):
            fetch("book", entry, project)
        assert snapshot(project) == {"data": (0o40755, None), "data/raw": (0o40755, None)}
    assert snapshot(tmp_path, project, cache) == before
    assert is_verified(cache)


def damaged(draw: Callable[[Any], Any], data: bytes) -> bytes:
    """The bytes after one to four damages: written over, inserted, left out, or cut off."""
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        piece = draw(
            st.binary(max_size=12)
            | st.sampled_from([bytes(512), b"\xff" * 8, b"9" * 12, b"PK\1\2", b"\x80" + bytes(11)])
        )
        kind = draw(st.sampled_from(["over", "over", "insert", "leave out", "cut"]))
        if kind == "cut":
            data = data[:place]
        else:
            data = (
                data[:place] + (b"" if kind == "leave out" else piece) + data[place + (kind != "insert") * len(piece) :]
            )
    return data


@st.composite
def damaged_archives(draw: Callable[[Any], Any]) -> tuple[str, str, bytes]:
    """(file, the member to read, bytes) of an archive that is damaged, before it was compressed or after."""
    kind = draw(st.sampled_from(["zip", "stored", "tar", "pax", "gz", "bz2", "xz", "sparse", "nested", "nested zip"]))
    plain, pack = tar_of() + tar_of(name="b" * 200), {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    if kind in ("zip", "stored"):
        return WHEEL, "a", damaged(draw, zip_of("a", compress_type=zipfile.ZIP_DEFLATED if kind == "zip" else 0))
    if kind == "nested zip":
        return SDIST, "b!/a", tar_of(name="b", content=damaged(draw, zip_of("a")))
    if kind == "nested":
        return WHEEL, "b!/a", zip_of("b", damaged(draw, gzip.compress(damaged(draw, plain))))
    if kind == "sparse":
        return SDIST, "a", damaged(draw, sparse_tar(10_000))
    if kind == "pax":
        header = tarfile.TarInfo.create_pax_global_header({"comment": "x" * 600})
        info = tarfile.TarInfo("a")
        info.size, info.pax_headers = len(BOOK), {"mtime": "1.5", "GNU.sparse.size": "5"}
        plain = header + info.tobuf(tarfile.PAX_FORMAT) + BOOK + bytes(-len(BOOK) % 512 + 1024)
    if kind in pack and draw(st.booleans()):
        return SDIST, "a", damaged(draw, pack[kind](plain))
    return SDIST, "a", pack.get(kind, bytes)(damaged(draw, plain))


def test_the_holes_of_sparse_members_count(monkeypatch):
    """Each member is a header in the archive, and 30,000 zeros for its reader."""
    monkeypatch.setattr(archives, "LARGEST_ARCHIVE", 100_000)
    data = b"".join(sparse_tar(30_000, f"{name}.txt")[:512] for name in "abcd") + bytes(1024)
    read: dict[str, bytes] = {}

    def read_members(*paths: str) -> None:
        archives.read_members(
            io.BytesIO(data), "x", list(paths), lambda path, stream: read.update({path: stream.read()})
        )

    read_members("a.txt", "c.txt")
    assert read == {"a.txt": bytes(30_000), "c.txt": bytes(30_000)}
    with pytest.raises(AnamnesisError, match=r"x: d\.txt: with the members before it"):
        read_members("*.txt")


class Parts:
    """A client that has these bytes on its server."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def part(self, url: str, span: str) -> tuple[int, int, bytes]:
        first, last = map(int, span.split("-"))
        return first, len(self.data), self.data[first : last + 1]


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """The block may raise AnamnesisError, of one line, and nothing else."""
    caught: AnamnesisError | None = None
    try:
        yield
    except AnamnesisError as error:
        caught = error
    assert caught is None or str(caught).isprintable()


@settings(deadline=None)
@given(damaged_archives())
def test_a_damaged_archive_is_one_line_or_harmless(archive):
    file, path, data = archive
    with tempfile.TemporaryDirectory() as scratch:
        (links := Path(scratch, "links")).mkdir()
        (links / file).write_bytes(data)
        cache = Cache(Path(scratch, "cache"))
        network = released.Network()
        connection = http.Connection()
        network.connected = http.Client(connection), pip_index.PipSettings((), (str(links),), connection)
        for wanted in (
            Member(path=path, sha256=sha256(BOOK)),
            Member(path=path.replace("a", "{a,b}*"), sha256="0" * 64),
        ):
            source = Package(kind="package", files=[PackageFile(package="b", file=file, members=[wanted])])
            with one_line():
                (part,) = released.released_files("c", source, network, cache)
                assert part.path.read_bytes() == BOOK
            assert is_verified(Path(scratch, "cache"))
            kept = [path for path in Path(scratch, "cache", "objects").rglob("*") if path.is_file()]
            assert [path.read_bytes() for path in kept] in ([], [BOOK])
    if file == WHEEL:
        with one_line():
            remote = http.RangeFile(Parts(data), "https://host/x", len(data), lambda *_: None)
            archives.read_members(remote, "x", [path], lambda _, stream: stream.read())
