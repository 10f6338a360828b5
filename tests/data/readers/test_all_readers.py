"""Every reader on good, damaged and odd files: a corpus, or one line that names the problem and nothing else."""

import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from anamnesis.data.settings import Corpus
from anamnesis.data.sources.local import Part
from anamnesis.data.stores import tables
from anamnesis.errors import AnamnesisError
from anamnesis.stages import fetch as stage

from .conftest import SOURCE

BOM = b"\xef\xbb\xbf"
MONTHS = [f"{2000 + number // 12}-{number % 12 + 1:02d}" for number in range(60)]
PROSE = "".join(f"Sentence {number} of it.\nAnd “another”, é 三.\n\n" for number in range(40))
TALES = "".join(f"\n\n\n\nTALE {number}\n\nOnce, {number}.\n" for number in range(9))


def catalogue(number: int) -> bytes:
    """A gettext catalogue of that many messages."""
    texts = [f"{word} {index}".encode() for word in ("a", "b") for index in range(number)]
    offsets = [28 + 16 * number + sum(len(text) + 1 for text in texts[:index]) for index in range(2 * number)]
    table = b"".join(struct.pack("<2I", len(text), offset) for text, offset in zip(texts, offsets, strict=True))
    return struct.pack("<7I", 0x950412DE, 0, number, 28, 28 + 8 * number, 0, 0) + table + b"\0".join(texts) + b"\0"


def lines(row: str, number: int = 40) -> bytes:
    return "".join(row.replace("#", str(index)) + "\n" for index in range(number)).encode()


IMAGES = lines(",".join(["3"] * 62) + ",#,1,2", 17)
TWO = ({"files": "a.txt"}, {"files": "b.tab", "reader": "tales", "title": "T"})
ORANGE = b"L\tT\tContent\nd\tstring\tstring\nclass\t\t\n"
# Settings and good files for each reader and each kind of file that it reads.
GOOD: list[tuple[dict[str, Any], dict[str, bytes]]] = [
    ({"reader": "text", "leave_out": "Sentence 3.*", "minimum": 2}, {"a.txt": PROSE.encode()}),
    ({"reader": "text", "begin": "Sentence 2", "end": "39 of it.", "minimum": 9}, {"a.txt": BOM + PROSE.encode()}),
    ({"reader": "tales"}, {"a.txt": TALES[1:].encode() * 8}),
    ({"reader": "tales", "title": "T", "straight_quotes": True}, {"a.tab": ORANGE + lines("x\t#\t“Tale” #.") * 2}),
    ({"reader": "tales", "split": {"by": "ends", "longer_than": 90}}, {"a.json": json.dumps([PROSE, "a"]).encode()}),
    ({"reader": "works", "minimum": 2}, {f"{number}.txt": PROSE.encode()[number:] for number in range(5)}),
    ({"reader": "chapters"}, {"a.json": json.dumps([f"Chapter {n}\n{PROSE}" for n in range(9)]).encode()}),
    ({"reader": "chapters", "minimum": 9}, {"a.txt": b"\f\n".join([b"one", b"two", b"three", b"four"])}),
    ({"reader": "series"}, {"a.csv": b"time,value\n" + "".join(f"{time},{time[:4]}.5\n" for time in MONTHS).encode()}),
    ({"reader": "series", "calendar": "decimal-year"}, {"a.csv": b"time,value\n" + lines("19#,1e#")}),
    ({"reader": "documents"}, {"a.csv": b"label,text\n" + lines('a,"some ""text"" #"') + lines("b,more\u2028 #")}),
    ({"reader": "documents", "label": "L", "text": ["T", "Content"]}, {"a.tab": ORANGE + lines("x\ttext #\tmore")}),
    ({"reader": "documents", "columns": ["label", "text"]}, {"a.tsv": lines("a\tsome text #")}),
    ({"reader": "passages", "labels": dict(zip("ab", TWO, strict=True)), "length": 20, "minimum": 99}, {
        "a.txt": PROSE.encode(), "b.tab": ORANGE + lines("x\tTitle #\tSome other words # that are long enough") * 2,
    }),
    ({"reader": "pairs"}, {"a.txt": lines("Source #.\tTarget #.\tme")}),
    ({"reader": "pairs", "plain": True}, {"nl/a.mo": catalogue(40)}),
    ({"reader": "pairs"}, {
        f"{code}.json": json.dumps({"x": {str(n): f"{code} {n}" for n in range(40)}}).encode() for code in ("en", "nl")
    }),
    ({"reader": "digits", "minimum": 3}, {"a.csv": IMAGES}),
    ({"reader": "digits", "minimum": 3}, {"a.csv.gz": gzip.compress(IMAGES)}),
]  # fmt: skip
ODD = (
    *(b'"', b"\n", b"\r", b"\t", b",", b"\0", b"\f\n", b"\n\n\n\n\n", b"\xff", b"\xef\xbb\xbf", b"\\ud800", b"\\"),
    *("\u2028 \x85 \x1c \x0b \u200b \ud7ff \U0010ffff".encode().split()),
    *(b"1e308", b"nan", b"-inf", b"1_000", b"9" * 5000, "٣".encode(), b"2020-02-30", b"2020-01-01T00:00+01:00"),
    *(b"[" * 100_000, b"{", b"}", b"null", b"label,text\n", b"x" * 70_000),
    b"*** START OF THE PROJECT GUTENBERG EBOOK\n",
)
SMALL = st.integers(0, 2**20)
DAMAGE = st.lists(
    st.tuples(st.sampled_from(["cut", "end", "twice", "put", "over"]), SMALL, st.integers(1, 60), st.sampled_from(ODD)),
    max_size=3,
)
CONTENT = st.one_of(DAMAGE, DAMAGE, DAMAGE, st.sampled_from(ODD), st.binary(max_size=60), st.text(max_size=60))


def damaged(data: bytes, what: Any) -> bytes:
    """The file's bytes after some damage, or other bytes altogether."""
    if isinstance(what, str | bytes):
        return what if isinstance(what, bytes) else what.encode("utf-8", "surrogatepass")
    for kind, place, size, odd in what:
        start = place % (len(data) + 1)
        end = start + size
        match kind:
            case "cut":
                data = data[:start] + data[end:]
            case "end":
                data = data[:start]
            case "twice":
                data = data[:end] + data[start:]
            case "put":
                data = data[:start] + odd + data[start:]
            case "over":
                data = data[:start] + odd + data[end:]
    return data


def fetch(folder: Path, keys: dict[str, Any], files: dict[str, bytes]) -> str:
    """The line of the fetch stage, which must leave a whole corpus, or an error and nothing."""
    corpus: Corpus = TypeAdapter(Corpus).validate_python({"source": SOURCE, **keys})
    parts = []
    for number, (name, data) in enumerate(files.items()):
        path = folder / f"source-{number}"
        path.write_bytes(data)
        parts.append(Part(name, path, "", archive="p.zip"))
    root = folder / "project"
    raw = root / "data" / "raw"
    with mock.patch.object(stage, "released_files", return_value=parts):
        try:
            line = stage.fetch("mine", corpus, root)
        except AnamnesisError as error:
            assert list(raw.iterdir()) == []
            line = f"error: {error}"
    assert "\n" not in line
    assert len(line) < 600
    remaining = {path.name for path in root.rglob("*") if path.is_file()}
    if line.startswith("error: "):
        assert remaining == set()
        return line
    written = [path for split in ("train", "valid", "test") for path in (raw / "mine").glob(f"{split}.*")]
    assert len(written) == 3
    assert remaining == {*(path.name for path in written), "provenance.json"}
    counts = json.loads((raw / "mine" / "provenance.json").read_bytes())["splits"]
    for path in written:
        text = path.read_bytes().decode()
        assert text
        if path.suffix == ".csv":
            header = text.split("\n")[0].split(",")
            assert len(list(tables.rows(path, header))) == counts[path.stem]["rows"] > 0
    return line


def test_good_files_of_every_reader(tmp_path):
    members = get_args(get_args(Corpus)[0])
    readers = {name for member in members for name in get_args(member.model_fields["reader"].annotation)}
    assert {keys["reader"] for keys, _ in GOOD} == readers
    for number, (keys, files) in enumerate(GOOD):
        folder = tmp_path / str(number)
        folder.mkdir()
        line = fetch(folder, keys, files)
        assert not line.startswith("error: "), (keys, line)


@settings(max_examples=150, deadline=None)
@given(case=st.sampled_from(GOOD), which=SMALL, what=CONTENT)
def test_damaged_files_of_every_reader(case, which, what):
    keys, files = case
    name = sorted(files)[which % len(files)]
    with tempfile.TemporaryDirectory() as folder:
        fetch(Path(folder), keys, files | {name: damaged(files[name], what)})


# Each is a line end in Unicode, and part of a cell of a table.
LINE_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


def test_cells_keep_the_line_ends_of_unicode(read, join):
    content = f"One{LINE_ENDS}text"
    numbers = range(40)
    table = "note,time,value\r\n" + "".join(f"{content},{number},{number}.5\r\n" for number in numbers)
    assert join(read({"reader": "series"}, ("s.csv", table))[0]) == [[f"{number}", f"{number}.5"] for number in numbers]
    table = "label,text\n" + "".join(f"{number % 2},{content} {number}\n" for number in numbers)
    rows = join(read({"reader": "documents"}, ("d.csv", table))[0])
    assert sorted(rows) == sorted([f"{number % 2}", f"{content} {number}"] for number in numbers)
    table = "Title\tContent\nstring\tstring\n\t\n" + "".join(f"Tale\t{content} {number}\n" for number in numbers)
    texts = join(read({"reader": "tales", "minimum": 2}, ("t.tab", table))[0])
    assert sorted(texts) == sorted(content.replace("\f", "\n") + f" {number}\n" for number in numbers)
    lines = "".join(f"Source {number}.\tTarget {number}.\t{content}\n" for number in numbers)
    assert {row[2] for row in join(read({"reader": "pairs"}, ("p.txt", lines))[0])} == {content}


def test_the_order_of_rows_does_not_depend_on_the_seed_of_hashes():
    def run(seed: int) -> str:
        environment = os.environ | {"PYTHONHASHSEED": str(seed)}
        command = [sys.executable, str(Path(__file__).with_name("mixed_splits.py"))]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    first = run(0)
    readers = [line.split()[0] for line in first.splitlines()]
    assert readers == ["works", "documents", "pairs", "pairs", "digits", "series"]
    assert run(1) == run(2) == run(3) == first
