"""Files of packages and addresses, from indexes, mirrors and the cache, against a server on this machine."""

import hashlib
import multiprocessing
import os

import pytest

from anamnesis.data.sources import http, pip_index
from anamnesis.data.sources.cache import Cache, write_stream
from anamnesis.data.sources.released import Network, released_files
from anamnesis.data.sources.settings import (
    Member,
    Mixed,
    OneOfPackage,
    OneOfUrl,
    Package,
    PackageFile,
    Url,
    UrlFile,
)
from anamnesis.errors import AnamnesisError

TEXT = os.urandom(300_000)
OTHER = b"another member"
WHEEL = "b-1-py3-none-any.whl"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# What `sha256sum p/first.txt p/last.txt` prints, and its own sha256.
LISTING = sha256(f"{sha256(TEXT)}  p/first.txt\n{sha256(OTHER)}  p/last.txt\n".encode())


def git_blob(data: bytes) -> str:
    """As `git hash-object` computes it."""
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def package(file: str, *members: Member, name: str = "b") -> Package:
    return Package(kind="package", files=[PackageFile(package=name, file=file, members=list(members))])


def member(path: str, data: bytes) -> Member:
    return Member(path=path, sha256=sha256(data))


def url(address: str, **keys) -> Url:
    return Url(kind="url", files=[UrlFile(url=address, **keys)])


def contents(source: Package | Url | Mixed, network: Network | None = None) -> dict[str, bytes]:
    return {part.name: part.path.read_bytes() for part in released_files("c", source, network or Network())}


def wheel(zipped):
    """An archive whose wanted member is a small part."""
    return zipped(
        {"p/first.txt": TEXT, "p/filler": os.urandom(8_000_000), "p/last.txt": OTHER, "p/z": os.urandom(4_000_000)}
    )


@pytest.mark.parametrize("kind", ["html", "json"])
def test_an_sdist_of_both_kinds_of_index(web, tar, kind):
    web.index("old-books", {"b-1.tar.gz": tar({"b-1/a.txt": TEXT})}, kind)
    assert contents(package("b-1.tar.gz", member("b-1/a.txt", TEXT), name="Old.Books")) == {"b-1/a.txt": TEXT}


def test_a_wheel_is_read_in_parts(web, zipped):
    data = wheel(zipped)
    web.index("b", {WHEEL: data})
    network = Network()
    found = contents(package(WHEEL, member("p/last.txt", OTHER), member("p/first.txt", TEXT)), network)
    assert found == {"p/first.txt": TEXT, "p/last.txt": OTHER}
    assert network.received == web.sent < len(data) / 2
    web.ranges = False
    assert contents(package(WHEEL, Member(path="p/{first,last}.txt", sha256=LISTING))) == found


def test_local_indexes_and_links(web, tar, tmp_path, monkeypatch):
    data = tar({"a": OTHER})
    links, index = tmp_path / "links", tmp_path / "index"
    (index / "second").mkdir(parents=True)
    links.mkdir()
    (links / "first-1.tar.gz").write_bytes(data)
    (index / "second" / "second-1.tar.gz").write_bytes(data)
    (index / "second" / "index.html").write_text('<a href="second-1.tar.gz">second-1.tar.gz</a>')
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", index.as_uri())
    for name in ("first", "second"):
        assert contents(package(f"{name}-1.tar.gz", member("a", OTHER), name=name)) == {"a": OTHER}
    assert not [path for path, _ in web.requests if "first" in path]


READ_PIP = pip_index._from_pip


def test_configuration_of_pip(web, tmp_path, monkeypatch):
    monkeypatch.setattr(pip_index, "_from_pip", READ_PIP)
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://a.example/simple\nretries = 9\n[install]\nindex-url = https://b.example/s\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.delenv("PIP_INDEX_URL")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://c.example/s https://d.example/s")
    monkeypatch.setenv("PIP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "7")
    settings = pip_index.pip_settings()
    assert settings.indexes == ("https://b.example/s", "https://c.example/s", "https://d.example/s")
    connection = settings.connection
    assert (connection.proxy, connection.timeout, connection.retries) == ("http://proxy.example:3128", 7.0, 2)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert pip_index.pip_settings().indexes == ()


def test_the_cache_needs_no_network(web, zipped, monkeypatch):
    web.index("b", {WHEEL: wheel(zipped)})
    source = package(WHEEL, member("p/last.txt", OTHER), Member(path="p/{first,last}.txt", sha256=LISTING))
    first = contents(source)
    monkeypatch.setattr(Network, "_connect", lambda self: pytest.fail("the network was used"))
    assert contents(source) == first == {"p/first.txt": TEXT, "p/last.txt": OTHER}


def test_a_damaged_file_of_the_cache_is_replaced(web, tar):
    web.index("b", {"b-1.tar.gz": tar({"a": OTHER})})
    source = package("b-1.tar.gz", member("a", OTHER))
    (part,) = released_files("c", source, Network())
    part.path.write_bytes(b"damage")
    assert contents(source) == {"a": OTHER}


@pytest.mark.parametrize("file", ["b-1.tar.gz", WHEEL])
@pytest.mark.parametrize(
    ("path", "digest", "problem"),
    [
        ("b", sha256(TEXT), f"b: its sha256 is {sha256(OTHER)}; expected: {sha256(TEXT)}"),
        ("a/*.mo", "0" * 64, r"the list of the 2 files a/\*.mo: its sha256 is"),
        ("?", sha256(OTHER), r"the list of the 1 files \?: its sha256 is"),
        ("c", sha256(OTHER), "the archive has no member 'c'"),
    ],
    ids=["member", "list of two", "list of one", "missing"],
)
def test_nothing_of_a_wrong_archive_is_kept(web, tar, zipped, tmp_path, file, path, digest, problem):
    data = (tar if file.endswith("gz") else zipped)({"a/1.mo": b"1", "a/2.mo": b"2", "b": OTHER})
    web.index("b", {file: data})
    source = package(file, *([member("b", OTHER)] if path != "?" else []), Member(path=path, sha256=digest))
    with pytest.raises(AnamnesisError, match=f"{file}: {problem}"):
        contents(source)
    cached = {path.read_bytes() for path in (tmp_path / "cache" / "objects").rglob("*") if path.is_file()}
    assert cached <= {data}
    assert list((tmp_path / "cache" / "incoming").iterdir()) == []


@pytest.mark.parametrize("bad", ["page", "digest", "broken", "forged", "missing", "gone"])
@pytest.mark.parametrize("file", ["b-1.tar.gz", WHEEL])
def test_the_next_index_is_asked_where_the_first_is_bad(web, tar, zipped, monkeypatch, file, bad):
    make = tar if file.endswith("gz") else zipped
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{web.address}/second")
    archive = {"broken": b"none", "forged": make({"a": b"forged"}), "missing": make({"b": OTHER})}.get(
        bad, make({"a": OTHER})
    )
    web.index("b", {file: archive}, sha256={"digest": "../" * 30, "page": None}.get(bad, sha256(archive)))
    if bad == "gone":
        del web.files[f"/files/{file}"]
    if bad == "page":
        web.types["/simple/b/"] = "text/plain"
    source = package(file, member("a", OTHER))
    with pytest.raises(AnamnesisError):
        contents(source)
    web.files[f"/good/{file}"] = make({"a": OTHER})
    web.files["/second/b/"] = f'<a href="/good/{file}">{file}</a>'.encode()
    web.types["/second/b/"] = "text/html"
    assert contents(source) == {"a": OTHER}


def test_names_with_line_ends_of_unicode(web, zipped):
    names = ["a/\u2028 1.mo", "a/\u2029.mo", "a/ 2.mo"]
    web.index("b", {"b-1.zip": zipped({name: name.encode() for name in names})})
    listing = "".join(f"{sha256(name.encode())}  {name}\n" for name in sorted(names))
    source = package("b-1.zip", Member(path="a/*.mo", sha256=sha256(listing.encode())))
    assert contents(source) == contents(source) == {name: name.encode() for name in names}


def test_only_digests_name_files_of_the_cache(tmp_path):
    (tmp_path / "letters.txt").write_bytes(b"dear")
    cache = Cache(tmp_path / "cache")
    good = sha256(OTHER)
    for name in ("", f"aa{tmp_path}/letters.txt", "aa../../../letters.txt", good + "\n", good.upper(), good[:30]):
        with pytest.raises(AnamnesisError, match="neither a sha256 nor an id in Git"):
            cache.find(name)
        with pytest.raises(AnamnesisError), cache.incoming() as folder, open(tmp_path / "letters.txt", "rb") as stream:
            cache.keep(write_stream(stream, folder), name)
    assert (tmp_path / "letters.txt").read_bytes() == b"dear"


def test_a_mirror_folder_has_members_archives_and_addresses(web, tar, tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    (mirror / "c").mkdir(parents=True)
    (mirror / "c" / "big.txt").write_bytes(TEXT)
    (mirror / "c" / "b-1.tar.gz").write_bytes(tar({"x/1.mo": OTHER}))
    (mirror / "c" / "my book.txt").write_bytes(OTHER)
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(mirror))
    path = "deep.tar!/words/big.txt"
    assert contents(package(WHEEL, member(path, TEXT))) == {path: TEXT}
    listing = sha256(f"{sha256(OTHER)}  x/1.mo\n".encode())
    assert contents(package("b-1.tar.gz", Member(path="x/*.mo", sha256=listing))) == {"x/1.mo": OTHER}
    for digest in ({"sha256": sha256(OTHER)}, {"git_blob": git_blob(OTHER)}):
        assert contents(url("https://a.example/d/my%20book.txt?x=1", **digest)) == {"my book.txt": OTHER}
    assert web.requests == []
    # The digest of a file of the mirror counts, and a file that it lacks comes from the source.
    (mirror / "c" / "a.txt").write_bytes(b"forged")
    for source, problem in (
        (package("b-1.tar.gz", member("d/a.txt", b"right")), "c/a.txt: its sha256 is"),
        (url("https://a.example/a.txt", git_blob="1" * 40), f"its id in Git is {git_blob(b'forged')}"),
    ):
        with pytest.raises(AnamnesisError, match=problem):
            contents(source)
    web.index("other", {"o-1.tar.gz": tar({"a": b"elsewhere"})})
    assert contents(package("o-1.tar.gz", member("a", b"elsewhere"), name="other")) == {"a": b"elsewhere"}
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(tmp_path / "none"))
    with pytest.raises(AnamnesisError, match=r"neither a folder nor"):
        contents(package("b-1.tar.gz", member("d/a.txt", b"right")))


def test_a_mirror_address(web, zipped, monkeypatch):
    archive = zipped({"nld.txt": OTHER})
    web.files |= {"/mirror/c/pairs.zip": b"another", "/mirror/shared%20files/all.zip": archive}
    monkeypatch.setenv("ANAMNESIS_MIRROR", f"{web.address}/mirror/")
    keys = {"sha256": sha256(archive), "members": [member("nld.txt", OTHER)]}
    assert contents(url("https://a.example/x.zip", **keys, mirror="shared files/all.zip")) == {"nld.txt": OTHER}
    with pytest.raises(ValueError, match=r"without '\.\.'"):
        url("https://a.example/pairs.zip", **keys, mirror="../all.zip")


def test_an_https_address(web, secure, monkeypatch):
    web.files["/d/my%20book.txt"] = TEXT
    address = f"{web.address}/d/my%20book.txt"
    with pytest.raises(AnamnesisError, match=r"the certificate is not accepted"):
        contents(url(address, sha256=sha256(TEXT)))
    monkeypatch.setenv("PIP_CERT", str(secure))
    for kind, digest in (("sha256", sha256(TEXT)), ("git_blob", git_blob(TEXT))):
        with pytest.raises(AnamnesisError, match=f"{digest}; expected: 0"):
            contents(url(address, **{kind: "0" * len(digest)}))
        assert contents(url(address, **{kind: digest})) == {"my book.txt": TEXT}
        requests = len(web.requests)
        assert contents(url(address, **{kind: digest})) == {"my book.txt": TEXT}
        assert len(web.requests) == requests


def test_a_page_with_https_names_no_file_with_http(web, secure, tar, monkeypatch):
    """Unless its host is trusted, as for pip."""
    web.index("b", {"b-1.tar.gz": tar({"a": b"x"})})
    port = web.server.server_port
    web.files["/simple/b/"] = f'<a href="http://127.0.0.1:{port}/files/b-1.tar.gz">b-1.tar.gz</a>'.encode()
    monkeypatch.setenv("PIP_INDEX_URL", f"{web.address}/simple")
    monkeypatch.setenv("PIP_CERT", str(secure))
    with pytest.raises(AnamnesisError, match="names an address without https"):
        contents(package("b-1.tar.gz", member("a", b"x")))
    monkeypatch.setenv("PIP_TRUSTED_HOST", f"127.0.0.1:{port}")
    with pytest.raises(AnamnesisError, match="no answer after"):  # the server speaks only https
        contents(package("b-1.tar.gz", member("a", b"x")))


def test_three_processes_download_once(web, tar):
    web.index("b", {"b-1.tar.gz": tar({"a": os.urandom(3_000_000), "b": OTHER})})
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    source = package("b-1.tar.gz", member("b", OTHER))
    processes = [context.Process(target=lambda: queue.put(contents(source))) for _ in range(3)]
    for process in processes:
        process.start()
    assert [queue.get(timeout=60) for _ in processes] == [{"b": OTHER}] * 3
    for process in processes:
        process.join()
    assert len([path for path, _ in web.requests if path.startswith("/files/")]) == 1


def test_a_cache_that_cannot_be_created(web, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ANAMNESIS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(AnamnesisError, match=r"ANAMNESIS_CACHE moves it"):
        contents(package("b-1.tar.gz", member("a", OTHER)))


@pytest.mark.parametrize("end", ["a/%2e%2e", "a/%2E", "a%0ab", "a%1b[31m", "%C2%85"])
def test_an_address_ends_with_a_file_name(web, end):
    with pytest.raises(AnamnesisError, match="which is no file name"):
        contents(url(f"https://a.example/{end}", sha256=sha256(TEXT)))
    assert web.requests == []


def test_a_mixed_source_keeps_its_order(web, tar, tmp_path, monkeypatch):
    (tmp_path / "tales").mkdir()
    (tmp_path / "tales" / "grimm.txt").write_bytes(TEXT)
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(tmp_path))
    web.index("b", {"b-1.tar.gz": tar({"a.txt": OTHER})})
    first = OneOfUrl(kind="url", url="https://a.example/d/grimm.txt", sha256=sha256(TEXT), mirror="tales/grimm.txt")
    second = OneOfPackage(kind="package", package="b", file="b-1.tar.gz", members=[member("a.txt", OTHER)])
    expected = [("grimm.txt", TEXT), ("a.txt", OTHER)]
    assert list(contents(Mixed(kind="mixed", files=[first, second])).items()) == expected
    assert list(contents(Mixed(kind="mixed", files=[second, first])).items()) == expected[::-1]


def with_variants(variant: str | None) -> Url:
    """Two variants, of which a mirror lacks the first, and a file that is always used."""
    files = [
        UrlFile(url="https://a.example/train.csv", git_blob="0" * 40, variant="whole"),
        UrlFile(url="https://a.example/part.csv", sha256=sha256(TEXT), variant="part"),
        UrlFile(url="https://a.example/test.csv", sha256=sha256(OTHER)),
    ]
    return Url(kind="url", variant=variant, files=files)


def test_only_the_files_of_the_variant_are_used(web, tmp_path, monkeypatch):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "part.csv").write_bytes(TEXT)
    (tmp_path / "c" / "test.csv").write_bytes(OTHER)
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(tmp_path))
    assert contents(with_variants("part")) == {"part.csv": TEXT, "test.csv": OTHER}

    def refuse(self, url, *arguments):
        raise AnamnesisError(f"{url}: refused")

    monkeypatch.setattr(http.Client, "download", refuse)
    with pytest.raises(AnamnesisError) as caught:
        contents(with_variants("whole"))
    assert str(caught.value) == (
        "https://a.example/train.csv: refused (to do without this file, set corpora.c.source.variant to part)"
    )


def test_settings_that_are_refused():
    with pytest.raises(ValueError, match="`variant` is missing, it must be given; allowed: whole, part"):
        with_variants(None)
    with pytest.raises(ValueError, match="variant: found 'hole'; allowed: whole, part"):
        with_variants("hole")
    file = {"url": "https://a.example/x", "sha256": "0" * 64}
    with pytest.raises(ValueError, match="`variant` needs a source of kind url"):
        OneOfUrl(kind="url", **file, variant="part")
    for keys in ({"sha256": None}, {"git_blob": "0" * 40}):
        with pytest.raises(ValueError, match="one of `sha256` and `git_blob`"):
            UrlFile(**file | keys)
    with pytest.raises(ValueError, match="an archive is pinned by `sha256`"):
        UrlFile(url="https://a.example/x", git_blob="0" * 40, members=[member("a", TEXT)])
