"""The fetch stage, from settings to data/raw."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError
from settings_files import write_settings

from anamnesis import console
from anamnesis.data.settings import Corpus
from anamnesis.errors import AnamnesisError
from anamnesis.stages.fetch import fetch

ROOT = Path(__file__).parents[2]
BOOK = "".join(f"This is line {number} of my book.\n\n" for number in range(200))


def corpus(**entry) -> Corpus:
    return TypeAdapter(Corpus).validate_python(entry)


@pytest.fixture
def book(tmp_path):
    """The file of a text of the user, for the corpus `mybook`."""
    path = tmp_path / "data" / "own" / "mybook" / "my.txt"
    path.parent.mkdir(parents=True)
    path.write_text(BOOK)
    return path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_own_book(book, tmp_path):
    entry = corpus(reader="text", source={"kind": "file", "path": "my.txt"}, licence="mine")
    line = fetch("mybook", entry, tmp_path)
    folder = tmp_path / "data" / "raw" / "mybook"
    first = snapshot(folder)
    assert set(first) == {"train.txt", "valid.txt", "test.txt", "provenance.json"}
    assert b"".join(first[f"{name}.txt"] for name in ("train", "valid", "test")).decode() == BOOK
    counts = [len(first[f"{name}.txt"]) for name in ("train", "valid", "test")]
    assert line == "train {:,}, valid {:,}, test {:,} characters".format(*counts)
    provenance = json.loads(first["provenance.json"])
    assert provenance["licence"] == "mine"
    assert provenance["files"] == [
        {"file": "my.txt", "sha256": hashlib.sha256(BOOK.encode()).hexdigest(), "bytes": len(BOOK)}
    ]
    assert sum(split["characters"] for split in provenance["splits"].values()) == len(BOOK)
    fetch("mybook", entry, tmp_path)
    assert snapshot(folder) == first


def test_packaged_book_is_the_same_with_and_without_the_cache(web, tar, tmp_path):
    data = tar({"b-1/book.txt": BOOK.encode()})
    web.index("b", {"b-1.tar.gz": data})
    members = [{"path": "b-1/book.txt", "sha256": hashlib.sha256(BOOK.encode()).hexdigest()}]
    source = {"kind": "package", "files": [{"package": "b", "file": "b-1.tar.gz", "members": members}]}
    entry = corpus(reader="text", source=source)
    assert fetch("book", entry, tmp_path / "one").endswith("MB downloaded")
    assert "downloaded" not in fetch("book", entry, tmp_path / "two")
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")
    assert "127.0.0.1" not in (tmp_path / "one/data/raw/book/provenance.json").read_text()


def test_no_output_holds_a_password(web, tmp_path, monkeypatch):
    rows = "".join(f"the English sentence {number}\tde Nederlandse zin {number}\n" for number in range(60)).encode()
    web.files["/c/pairs.txt"] = rows
    monkeypatch.setenv("ANAMNESIS_MIRROR", web.address.replace("//", "//me:p4ss@"))
    monkeypatch.setenv("ANAMNESIS_STATUS", str(tmp_path / "status"))
    monkeypatch.setattr(console, "_last_status", float("-inf"))
    url = "https://me:p4ss@a.example/pairs.txt?token=p4ss&page=2"
    source = {"kind": "url", "files": [{"url": url, "sha256": hashlib.sha256(rows).hexdigest()}]}
    fetch("c", corpus(reader="pairs", source=source), tmp_path)
    written = snapshot(tmp_path)
    assert not any(b"p4ss" in content for content in written.values())
    assert b"https://a.example/pairs.txt?token=***&page=2" in written["data/raw/c/provenance.json"]
    assert b"pairs.txt?token=***&page=2 (kB)" in written["status"]


@pytest.mark.parametrize("name", ["../../home", "/home", "a\n", "", ".."])
def test_names_of_a_corpus_that_are_refused(tmp_path, name):
    entry = corpus(reader="text", source={"kind": "literal", "text": BOOK})
    with pytest.raises(AnamnesisError, match="cannot be the name of a corpus"):
        fetch(name, entry, tmp_path / "project")
    assert list(tmp_path.iterdir()) == []


def test_a_word_is_every_split(tmp_path):
    fetch("toy", corpus(reader="text", source={"kind": "literal", "text": "hello", "same": True}, minimum=5), tmp_path)
    for name in ("train", "valid", "test"):
        assert (tmp_path / "data" / "raw" / "toy" / f"{name}.txt").read_bytes() == b"hello"


def test_failure_leaves_the_old_result_and_nothing_else(book, tmp_path):
    entry = corpus(reader="text", source={"kind": "file", "path": "my.txt"})
    fetch("mybook", entry, tmp_path)
    before = snapshot(tmp_path / "data" / "raw")
    for content in (b"", b"short", b"\xff" * 5000):
        book.write_bytes(content)
        with pytest.raises(AnamnesisError, match=r"^own_corpora.mybook: my.txt: "):
            fetch("mybook", entry, tmp_path)
    book.unlink()
    with pytest.raises(AnamnesisError, match=f"^{book}: no such file; put it there"):
        fetch("mybook", entry, tmp_path)
    assert snapshot(tmp_path / "data" / "raw") == before
    assert [path.name for path in (tmp_path / "data" / "raw").iterdir()] == ["mybook"]


def package(**changed) -> dict:
    """A valid source, with some keys changed."""
    file = {"package": "a", "file": "a.whl", "members": [{"path": "x", "sha256": "0" * 64}]} | changed
    return {"kind": "package", "files": [file]}


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "url", "files": [{"url": "http://a.example/x", "sha256": "0" * 64}]},
        package(file="a.exe"),
        package(members=[{"path": "../x", "sha256": "0" * 64}]),
        package(members=[]),
        {"kind": "sines", "waves": [{"period": 5.0}]},
        {"kind": "file"},
        {"kind": "file", "path": "a", "train": "b"},
        {"kind": "literal", "text": "x"},
    ],
)
def test_sources_that_are_refused(source):
    with pytest.raises(ValidationError):
        corpus(reader="text", source=source)


@pytest.mark.parametrize("split", [{"valid": 0}, {"valid": 2.5}, {"valid": 0.6, "test": 0.4}, {"seed": 1}])
def test_splits_that_are_refused(split):
    with pytest.raises(ValidationError):
        corpus(reader="text", source={"kind": "file", "path": "a"}, split=split)


def test_the_stage(book, tmp_path):
    """The script itself: output, exit codes, one line for an error."""
    corpora = {"mybook": {"reader": "text", "source": {"kind": "file", "path": "my.txt"}}}
    content = {"corpora": {}, "own_corpora": corpora, "tokens": {}, "experiments": {}}
    write_settings(tmp_path, {"profile": "laptop", **content})

    def stage(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", str(ROOT / "pipelines" / "fetch.py"), name]
        environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)

    good = stage("mybook")
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("fetch mybook: train ")
    unknown = stage("mybok")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr == "error: no corpus is named 'mybok'; did you mean 'mybook'?\n"
    book.write_bytes(b"\xff")
    bad = stage("mybook")
    assert bad.returncode == 1
    assert bad.stderr == "error: own_corpora.mybook: my.txt: not UTF-8: byte 0xff at offset 0\n"
