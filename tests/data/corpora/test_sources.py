"""Packages, addresses, mirrors and the cache, against a server on this machine."""

import hashlib
import io
import multiprocessing
import os
from pathlib import Path

import pytest

from anamnesis import files
from anamnesis.data.settings import Member, Mixed, OneOfPackage, OneOfUrl, Package, PackageFile, Url, UrlFile
from anamnesis.data.sources import download, pip_index, sources
from anamnesis.data.sources.cache import Cache
from anamnesis.errors import AnamnesisError

TEXT = os.urandom(300_000)
OTHER = b"another member"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def package(file: str, *members: Member, name: str = "books") -> Package:
    return Package(kind="package", files=[PackageFile(package=name, file=file, members=list(members))])


def member(path: str, data: bytes) -> Member:
    return Member(path=path, sha256=sha256(data))


def contents(source: Package | Url | Mixed, network: sources.Network | None = None) -> dict[str, bytes]:
    return {part.name: part.path.read_bytes() for part in sources.released("c", source, network or sources.Network())}


def wheel(zipped):
    """An archive whose wanted member is a small part."""
    return zipped(
        {"p/first.txt": TEXT, "p/filler": os.urandom(2_000_000), "p/last.txt": OTHER, "p/z": os.urandom(400_000)}
    )


@pytest.mark.parametrize("kind", ["html", "json"])
def test_sdist_through_both_kinds_of_index(web, tar, kind):
    web.index("books", {"books-1.0.tar.gz": tar({"books-1.0/a.txt": TEXT})}, kind)
    assert contents(package("books-1.0.tar.gz", member("books-1.0/a.txt", TEXT))) == {"books-1.0/a.txt": TEXT}


def test_wheel_is_read_in_parts(web, zipped):
    data = wheel(zipped)
    web.index("books", {"books-1.0-py3-none-any.whl": data})
    network = sources.Network()
    found = contents(
        package("books-1.0-py3-none-any.whl", member("p/last.txt", OTHER), member("p/first.txt", TEXT)), network
    )
    assert found == {"p/first.txt": TEXT, "p/last.txt": OTHER}
    assert web.sent < len(data) / 3
    assert network.received == web.sent


def test_wheel_from_a_server_without_ranges(web, zipped):
    web.ranges = False
    web.index("books", {"books-1.0-py3-none-any.whl": wheel(zipped)})
    assert contents(package("books-1.0-py3-none-any.whl", member("p/last.txt", OTHER))) == {"p/last.txt": OTHER}


def test_name_of_the_project_is_normalised(web, tar):
    web.index("old-books", {"x-1.tar.gz": tar({"a": OTHER})})
    assert contents(package("x-1.tar.gz", member("a", OTHER), name="Old.Books")) == {"a": OTHER}


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


ASKED_PIP = pip_index._from_pip


def test_configuration_file_of_pip(web, tmp_path, monkeypatch):
    monkeypatch.setattr(pip_index, "_from_pip", ASKED_PIP)
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://a.example/simple\nretries = 9\n[install]\nindex-url = https://b.example/s\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.delenv("PIP_INDEX_URL")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://c.example/s https://d.example/s")
    monkeypatch.setenv("PIP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "7")
    found = pip_index.pip_settings()
    assert found.indexes == ("https://b.example/s", "https://c.example/s", "https://d.example/s")
    assert (found.connection.proxy, found.connection.timeout, found.connection.retries) == (
        "http://proxy.example:3128",
        7.0,
        2,
    )
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert pip_index.pip_settings().indexes == ()


def test_default_index_is_the_library_s(web, monkeypatch):
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    monkeypatch.delenv("PIP_INDEX_URL")
    assert pip_index.pip_settings().indexes == (PYPI_SIMPLE_ENDPOINT,)


def test_unknown_package_and_file(web, tar):
    web.index("books", {"books-1.0.tar.gz": tar({"a": OTHER})})
    for source in (
        package("books-2.0.tar.gz", member("a", OTHER)),
        package("b-1.tar.gz", member("a", OTHER), name="b"),
    ):
        with pytest.raises(AnamnesisError, match=r"no package index or folder .* has this file"):
            contents(source)


def test_cache_needs_no_network(web, zipped, monkeypatch):
    web.index("books", {"books-1.0-py3-none-any.whl": wheel(zipped)})
    source = package(
        "books-1.0-py3-none-any.whl", member("p/last.txt", OTHER), Member(path="p/{first,last}.txt", sha256=LISTING)
    )
    first = contents(source)
    asked = len(web.requests)
    web.files.clear()
    monkeypatch.setattr(sources.Network, "_make", lambda self: pytest.fail("the network was used"))
    assert contents(source) == first == {"p/first.txt": TEXT, "p/last.txt": OTHER}
    assert len(web.requests) == asked


# What `sha256sum p/first.txt p/last.txt` prints, and its own sha256.
LISTING = sha256(f"{sha256(TEXT)}  p/first.txt\n{sha256(OTHER)}  p/last.txt\n".encode())


def test_damaged_cache_is_mended(web, tar, tmp_path):
    web.index("books", {"b-1.tar.gz": tar({"a": OTHER})})
    source = package("b-1.tar.gz", member("a", OTHER))
    (part,) = sources.released("c", source, sources.Network())
    part.path.write_bytes(b"damage")
    assert contents(source) == {"a": OTHER}


@pytest.mark.parametrize("file", ["b-1.tar.gz", "b-1-py3-none-any.whl"])
def test_wrong_member_is_refused_and_not_kept(web, tar, zipped, file):
    data = (tar if file.endswith("gz") else zipped)({"a": b"something else"})
    web.index("books", {file: data})
    with pytest.raises(
        AnamnesisError, match=f"{file}: a: its sha256 is {sha256(b'something else')}, but {sha256(OTHER)}"
    ):
        contents(package(file, member("a", OTHER)))


def test_wrong_list_is_refused(web, zipped):
    web.index("books", {"b-1-py3-none-any.whl": zipped({"a/1.mo": b"1", "a/2.mo": b"2"})})
    with pytest.raises(AnamnesisError, match=r"the list of the 2 files a/\*.mo: its sha256 is"):
        contents(package("b-1-py3-none-any.whl", Member(path="a/*.mo", sha256="0" * 64)))


def test_archive_is_checked_against_the_index(web, tar):
    web.index("books", {"b-1.tar.gz": tar({"a": OTHER})}, sha256="1" * 64)
    with pytest.raises(AnamnesisError, match=r"index says otherwise: its sha256 is"):
        contents(package("b-1.tar.gz", member("a", OTHER)))


def test_missing_member(web, zipped):
    web.index("books", {"b-1-py3-none-any.whl": zipped({"a": OTHER})})
    with pytest.raises(AnamnesisError, match=r"b-1-py3-none-any.whl: the archive has no member 'c'"):
        contents(package("b-1-py3-none-any.whl", member("c", OTHER)))


def kept(tmp_path: Path) -> set[bytes]:
    """What the cache keeps under its digest."""
    return {path.read_bytes() for path in (tmp_path / "cache" / "objects").rglob("*") if path.is_file()}


@pytest.mark.parametrize("file", ["b-1.tar.gz", "b-1-py3-none-any.whl"])
def test_nothing_is_kept_of_an_archive_whose_members_are_others(web, tar, zipped, tmp_path, file):
    make = tar if file.endswith("gz") else zipped
    data = make({"a/1.mo": b"1", "a/2.mo": b"2", "b": OTHER})
    web.index("b", {file: data})
    right, wrong = member("b", OTHER), Member(path="a/*.mo", sha256="0" * 64)
    with pytest.raises(AnamnesisError, match=r"the list of the 2 files"):
        contents(package(file, right, wrong, name="b"))
    assert kept(tmp_path) <= {data}
    assert list((tmp_path / "cache" / "incoming").iterdir()) == []


@pytest.mark.parametrize("bad", ["page", "digest", "broken", "forged", "missing", "gone"])
@pytest.mark.parametrize("file", ["b-1.tar.gz", "b-1-py3-none-any.whl"])
def test_the_next_index_is_asked_where_the_first_is_bad(web, tar, zipped, monkeypatch, file, bad):
    make = tar if file.endswith("gz") else zipped
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{web.address}/second")
    archive = {"broken": b"none", "forged": make({"a": b"forged"}), "missing": make({"b": OTHER})}.get(
        bad, make({"a": OTHER})
    )
    digest = {"digest": "../" * 30, "page": None}.get(bad, sha256(archive))
    web.index("b", {file: archive}, sha256=digest)
    if bad == "gone":
        del web.files[f"/files/{file}"]
    if bad == "page":
        web.types["/simple/b/"] = "text/plain"
    source = package(file, member("a", OTHER), name="b")
    with pytest.raises(AnamnesisError) as caught:
        contents(source)
    assert str(caught.value).count(file) >= 1
    web.files[f"/good/{file}"] = make({"a": OTHER})
    web.files["/second/b/"] = f'<a href="/good/{file}">{file}</a>'.encode()
    web.types["/second/b/"] = "text/html"
    assert contents(source) == {"a": OTHER}


def test_a_name_may_hold_any_character_that_ends_a_line_but_the_newline(web, zipped, monkeypatch):
    names = ["a/\u2028 1.mo", "a/\u2029.mo", "a/ 2.mo"]
    web.index("b", {"b-1.zip": zipped({name: name.encode() for name in names})})
    listing = "".join(f"{sha256(name.encode())}  {name}\n" for name in sorted(names))
    source = package("b-1.zip", Member(path="a/*.mo", sha256=sha256(listing.encode())), name="b")
    assert contents(source) == contents(source) == {name: name.encode() for name in names}


def test_a_digest_of_another_file_is_no_list(web, zipped, tmp_path):
    """Where a pattern is given the sha256 of one file that it selects."""
    web.index("b", {"b-1.zip": zipped({"a": TEXT})})
    assert contents(package("b-1.zip", member("a", TEXT), name="b")) == {"a": TEXT}
    with pytest.raises(AnamnesisError, match=r"the list of the 1 files \?"):
        contents(package("b-1.zip", member("?", TEXT), name="b"))


def test_the_cache_takes_no_name_that_is_no_digest(tmp_path):
    (tmp_path / "letters.txt").write_bytes(b"dear")
    cache = Cache(tmp_path / "cache")
    good = cache.add(io.BytesIO(OTHER))[0]
    for name in ("", f"aa{tmp_path}/letters.txt", "aa../../../letters.txt", good + "\n", good.upper(), good[:40]):
        with pytest.raises(AnamnesisError, match="is no sha256"):
            cache.find(name)
        with pytest.raises(AnamnesisError, match="is no sha256"):
            cache.keep(name, tmp_path / "letters.txt")
    for name in ("", "../../letters.txt", f"{tmp_path}/letters.txt", good):
        for use in (cache.find_blob, lambda name: cache.add_blob(name, tmp_path / "letters.txt")):
            with pytest.raises(AnamnesisError, match="is no id of git"):
                use(name)
    assert (tmp_path / "letters.txt").read_bytes() == b"dear"
    # A note of another program's, or a damaged one, is none.
    blob = hashlib.sha1(f"blob {len(OTHER)}\0".encode() + OTHER).hexdigest()
    for note in (b"../../letters.txt", b"\xff", b""):
        cache.add_blob(blob, tmp_path / "cache" / "objects" / good[:2] / good[2:])
        (tmp_path / "cache" / "blobs" / blob).write_bytes(note)
        assert cache.find_blob(blob) is None


def test_broken_download_goes_on_where_it_stopped(web, tar):
    data = tar({"a": TEXT})
    web.index("books", {"b-1.tar.gz": data})
    web.etag = '"v1"'
    web.break_after = [100_000, 50_000]
    assert contents(package("b-1.tar.gz", member("a", TEXT))) == {"a": TEXT}
    asked = [span for path, span in web.requests if path.startswith("/files/")]
    assert asked == [None, "bytes=100000-", "bytes=150000-"]
    assert web.sent == len(data) + len(web.files["/simple/books/"])


def test_download_goes_on_in_another_process_s_place(web, tmp_path):
    """What a killed run left is used by the next: a new client, the same partial file."""
    web.files["/files/x"] = TEXT
    web.etag = '"v1"'
    web.break_after = [100_000, 0, 0]
    path = tmp_path / "x"
    client = download.Client(download.Connection(retries=0))
    with pytest.raises(AnamnesisError, match=r"no answer after 1 attempts"):
        client.download(f"{web.address}/files/x", path, lambda done, total: None)
    assert path.stat().st_size == 100_000
    web.break_after = []
    download.Client(download.Connection()).download(f"{web.address}/files/x", path, lambda done, total: None)
    assert path.read_bytes() == TEXT
    assert web.requests[-1][1] == "bytes=100000-"


def test_parts_of_two_versions_are_never_joined(web, tmp_path):
    web.files["/files/x"] = TEXT
    web.etag = '"v1"'
    web.break_after = [100_000]
    path = tmp_path / "x"
    with pytest.raises(AnamnesisError):
        download.Client(download.Connection(retries=0)).download(f"{web.address}/files/x", path, lambda *_: None)
    web.files["/files/x"] = changed = os.urandom(300_000)
    web.etag = '"v2"'
    download.Client(download.Connection()).download(f"{web.address}/files/x", path, lambda *_: None)
    assert path.read_bytes() == changed


def test_parts_of_two_versions_are_not_joined_by_a_killed_run(web, tmp_path, monkeypatch):
    """Killed when the new version's validator is stored, and before its first byte."""
    path = tmp_path / "x"
    path.write_bytes(TEXT[:100_000])
    files.write_json(tmp_path / "x.json", {"validator": '"v1"'})
    web.files["/files/x"] = changed = os.urandom(300_000)
    web.etag = '"v2"'

    def write_and_die(*arguments):
        monkeypatch.undo()
        files.write_json(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_json", write_and_die)
    with pytest.raises(KeyboardInterrupt):
        download.Client(download.Connection()).download(f"{web.address}/files/x", path, lambda *_: None)
    download.Client(download.Connection()).download(f"{web.address}/files/x", path, lambda *_: None)
    assert path.read_bytes() == changed


def test_without_a_validator_it_starts_again(web, tar):
    web.index("books", {"b-1.tar.gz": tar({"a": TEXT})})
    web.break_after = [100_000]
    assert contents(package("b-1.tar.gz", member("a", TEXT))) == {"a": TEXT}
    assert [span for path, span in web.requests if path.startswith("/files/")] == [None, None]


def test_broken_ranges_are_asked_for_again(web, zipped):
    web.index("books", {"books-1.0-py3-none-any.whl": wheel(zipped)})
    web.break_after = [1000, 10**9, 1000]
    assert contents(package("books-1.0-py3-none-any.whl", member("p/first.txt", TEXT))) == {"p/first.txt": TEXT}


def test_busy_server_is_waited_for_ever_longer(web, tar, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(download, "_sleep", waits.append)
    web.index("books", {"b-1.tar.gz": tar({"a": OTHER})})
    web.statuses = [503, 429]
    assert contents(package("b-1.tar.gz", member("a", OTHER))) == {"a": OTHER}
    assert waits == [0.5, 1.0]


def test_no_network_is_one_line(web, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(AnamnesisError, match=r"no answer after 3 attempts .*is there a network connection") as caught:
        contents(package("b-1.tar.gz", member("a", OTHER)))
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)


def test_mirror_folder_serves_members_archives_and_addresses(web, tar, tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    (mirror / "c").mkdir(parents=True)
    (mirror / "c" / "big.txt").write_bytes(TEXT)
    (mirror / "c" / "b-1.tar.gz").write_bytes(tar({"x/1.mo": OTHER}))
    (mirror / "c" / "my book.txt").write_bytes(OTHER)
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(mirror))
    assert contents(package("w-1-py3-none-any.whl", member("deep.tar!/words/big.txt", TEXT))) == {
        "deep.tar!/words/big.txt": TEXT
    }
    listing = sha256(f"{sha256(OTHER)}  x/1.mo\n".encode())
    assert contents(package("b-1.tar.gz", Member(path="x/*.mo", sha256=listing))) == {"x/1.mo": OTHER}
    url = Url(kind="url", files=[UrlFile(url="https://a.example/d/my%20book.txt?x=1", sha256=sha256(OTHER))])
    assert list(contents(url).values()) == [OTHER]
    assert web.requests == []


def test_mirror_address(web, zipped, monkeypatch):
    archive = zipped({"nld.txt": OTHER})
    web.files["/mirror/c/pairs.zip"] = archive
    monkeypatch.setenv("ANAMNESIS_MIRROR", f"{web.address}/mirror/")
    file = UrlFile(url="https://a.example/pairs.zip", sha256=sha256(archive), members=[member("nld.txt", OTHER)])
    assert contents(Url(kind="url", files=[file])) == {"nld.txt": OTHER}


def test_what_the_mirror_lacks_comes_from_the_source(web, tar, tmp_path, monkeypatch):
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(tmp_path))
    web.index("books", {"b-1.tar.gz": tar({"a": OTHER})})
    assert contents(package("b-1.tar.gz", member("a", OTHER))) == {"a": OTHER}


def test_mirror_is_checked_too(web, tmp_path, monkeypatch):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.txt").write_bytes(b"forged")
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(tmp_path))
    with pytest.raises(AnamnesisError, match=r"c/a.txt: its sha256 is"):
        contents(package("b-1.tar.gz", member("d/a.txt", OTHER)))
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(tmp_path / "none"))
    with pytest.raises(AnamnesisError, match=r"neither a folder nor"):
        contents(package("b-1.tar.gz", member("d/a.txt", OTHER)))


def test_https_address(web, secure, monkeypatch):
    web.files["/d/my%20book.txt"] = TEXT
    source = Url(kind="url", files=[UrlFile(url=f"{web.address}/d/my%20book.txt", sha256=sha256(TEXT))])
    with pytest.raises(AnamnesisError, match=r"the certificate is not accepted"):
        contents(source)
    monkeypatch.setenv("PIP_CERT", str(secure))
    assert contents(source) == {"my book.txt": TEXT}
    forged = Url(kind="url", files=[UrlFile(url=f"{web.address}/d/my%20book.txt", sha256=sha256(OTHER))])
    with pytest.raises(AnamnesisError, match=f"its sha256 is {sha256(TEXT)}, but {sha256(OTHER)} is asked for"):
        contents(forged)


def test_an_address_pinned_by_its_git_blob(web, secure, monkeypatch):
    web.files["/train.csv"] = TEXT
    monkeypatch.setenv("PIP_CERT", str(secure))

    def source(git_blob):
        return Url(kind="url", files=[UrlFile(url=f"{web.address}/train.csv", git_blob=git_blob)])

    # As `git hash-object` computes it.
    blob = hashlib.sha1(f"blob {len(TEXT)}\0".encode() + TEXT).hexdigest()
    with pytest.raises(AnamnesisError, match=f"its id in git is {blob}, but {'0' * 40} is asked for"):
        contents(source("0" * 40))
    assert contents(source(blob)) == {"train.csv": TEXT}
    asked = len(web.requests)
    assert contents(source(blob)) == {"train.csv": TEXT}
    assert len(web.requests) == asked, "what is in the cache is not asked for again"


def test_a_git_blob_of_the_mirror_is_checked_too(web, tmp_path, monkeypatch):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "train.csv").write_bytes(OTHER)
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(tmp_path))
    url = f"{web.address.replace('http:', 'https:')}/train.csv"
    blob = hashlib.sha1(f"blob {len(OTHER)}\0".encode() + OTHER).hexdigest()
    assert contents(Url(kind="url", files=[UrlFile(url=url, git_blob=blob)])) == {"train.csv": OTHER}
    with pytest.raises(AnamnesisError, match=f"its id in git is {blob}"):
        contents(Url(kind="url", files=[UrlFile(url=url, git_blob="1" * 40)]))
    assert web.requests == []


@pytest.mark.parametrize("keys", [{}, {"sha256": "0" * 64, "git_blob": "0" * 40}])
def test_an_address_is_pinned_in_one_way(keys):
    with pytest.raises(ValueError, match="one of `sha256` and `git_blob`"):
        UrlFile(url="https://a.example/x", **keys)
    with pytest.raises(ValueError, match="an archive is pinned by `sha256`"):
        UrlFile(url="https://a.example/x", git_blob="0" * 40, members=[member("a", TEXT)])


def test_https_does_not_end_in_http(web, secure, monkeypatch):
    web.files["/x"] = TEXT
    web.redirects["/x"] = "http://127.0.0.1:9/x"
    monkeypatch.setenv("PIP_CERT", str(secure))
    with pytest.raises(AnamnesisError, match=r"without https"):
        contents(Url(kind="url", files=[UrlFile(url=f"{web.address}/x", sha256=sha256(TEXT))]))


def _fetch_in_process(source: Package, queue) -> None:  # type: ignore[no-untyped-def]
    queue.put(contents(source))


def test_two_processes_download_once(web, tar):
    data = tar({"a": os.urandom(3_000_000), "b": OTHER})
    web.index("books", {"b-1.tar.gz": data})
    source = package("b-1.tar.gz", member("b", OTHER))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=_fetch_in_process, args=(source, queue)) for _ in range(3)]
    for process in processes:
        process.start()
    assert [queue.get(timeout=60) for _ in processes] == [{"b": OTHER}] * 3
    for process in processes:
        process.join()
    assert len([path for path, _ in web.requests if path.startswith("/files/")]) == 1


def test_cache_that_cannot_be_made(web, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ANAMNESIS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(AnamnesisError, match=r"ANAMNESIS_CACHE moves it"):
        contents(package("b-1.tar.gz", member("a", OTHER)))


@pytest.mark.parametrize("end", ["a/%2e%2e", "a/%2E", "a%0ab", "a%1b[31m", "%C2%85"])
def test_an_address_ends_with_a_name(web, tmp_path, monkeypatch, end):
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(tmp_path))
    source = Url(kind="url", files=[UrlFile(url=f"https://a.example/{end}", sha256=sha256(TEXT))])
    with pytest.raises(AnamnesisError, match="which is no name of a file"):
        contents(source)
    assert web.requests == []


def test_own_files(tmp_path):
    from anamnesis.data.settings import File

    with pytest.raises(AnamnesisError, match=f"{tmp_path}/my.txt: there is no such file; put it there"):
        sources.own(File(kind="file", path="my.txt"), tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "my.txt").write_text("x")
    (found,) = sources.own(File(kind="file", path="folder/my.txt"), tmp_path)
    assert (found.name, found.path) == ("folder/my.txt", tmp_path / "folder" / "my.txt")


def test_files_of_packages_and_of_the_web_come_in_one_list(web, tar, tmp_path, monkeypatch):
    (tmp_path / "tales").mkdir()
    (tmp_path / "tales" / "grimm.txt").write_bytes(TEXT)
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(tmp_path))
    web.index("books", {"b-1.tar.gz": tar({"a.txt": OTHER})})
    url = "https://a.example/d/grimm.txt"
    first = OneOfUrl(kind="url", url=url, sha256=sha256(TEXT), mirror="tales/grimm.txt")
    second = OneOfPackage(kind="package", package="books", file="b-1.tar.gz", members=[member("a.txt", OTHER)])
    for order in ([first, second], [second, first]):
        found = contents(Mixed(kind="mixed", files=order))
        assert list(found.items()) == [
            {"url": ("grimm.txt", TEXT), "package": ("a.txt", OTHER)}[file.kind] for file in order
        ]


def test_a_file_may_lie_elsewhere_in_a_mirror(web, zipped, monkeypatch):
    archive = zipped({"nld.txt": OTHER})
    web.files["/mirror/shared%20files/all.zip"] = archive
    web.files["/mirror/c/pairs.zip"] = b"another"
    monkeypatch.setenv("ANAMNESIS_MIRROR", f"{web.address}/mirror")
    keys = {"url": "https://a.example/pairs.zip", "sha256": sha256(archive), "members": [member("nld.txt", OTHER)]}
    file = UrlFile(**keys, mirror="shared files/all.zip")
    assert contents(Url(kind="url", files=[file])) == {"nld.txt": OTHER}
    with pytest.raises(ValueError, match=r"without '\.\.'"):
        UrlFile(**keys, mirror="../all.zip")


def of_variant(variant: str | None) -> Url:
    """Two files to choose from, of which a mirror lacks the first, and one that is always used."""
    return Url(
        kind="url",
        variant=variant,
        files=[
            UrlFile(url="https://a.example/train.csv", git_blob="0" * 40, variant="whole"),
            UrlFile(url="https://a.example/part.csv", sha256=sha256(TEXT), variant="part"),
            UrlFile(url="https://a.example/test.csv", sha256=sha256(OTHER)),
        ],
    )


def test_only_the_variant_that_is_asked_for_is_used(web, tmp_path, monkeypatch):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "part.csv").write_bytes(TEXT)
    (tmp_path / "c" / "test.csv").write_bytes(OTHER)
    monkeypatch.setenv("ANAMNESIS_MIRROR", str(tmp_path))
    assert contents(of_variant("part")) == {"part.csv": TEXT, "test.csv": OTHER}

    def refused(self, url, *arguments):
        raise AnamnesisError(f"{url}: cannot be had")

    # What cannot be had is never replaced by itself: the line says which setting would.
    monkeypatch.setattr(download.Client, "download", refused)
    with pytest.raises(AnamnesisError) as caught:
        contents(of_variant("whole"))
    assert str(caught.value) == (
        "https://a.example/train.csv: cannot be had (to do without this file, set corpora.c.source.variant to part)"
    )


def test_a_variant_is_one_of_those_there_are():
    with pytest.raises(ValueError, match="`variant` is missing, it must be given; allowed: whole, part"):
        of_variant(None)
    with pytest.raises(ValueError, match="variant: found 'hole'; allowed: whole, part"):
        of_variant("hole")
    file = {"url": "https://a.example/x", "sha256": "0" * 64}
    with pytest.raises(ValueError, match=r"variant: found 'part'; allowed: \(none\)"):
        Url(kind="url", variant="part", files=[UrlFile(**file)])
    with pytest.raises(ValueError, match="`variant` needs a source of kind url"):
        OneOfUrl(kind="url", **file, variant="part")
