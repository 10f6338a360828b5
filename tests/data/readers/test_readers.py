"""Every other reader: what it makes of a small source, and what it says about a broken one."""

import csv
import gettext
import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from anamnesis.data.readers import digits, documents, pairs, series, stories, text
from anamnesis.data.readers.splits import normalise
from anamnesis.data.settings import Chapters, Cut, Digits, Documents, Draw, File, Pairs, Series, Stories, StoryDraw
from anamnesis.data.sources.sources import Part
from anamnesis.data.text import cleaning
from anamnesis.errors import AnamnesisError

SOURCE = File(kind="file", path="x")
NAMES = ("train", "valid", "test")


def part(folder: Path, name: str, data: bytes | str, split: Any = None, archive: str | None = None) -> Part:
    path = folder / f"part-{len(list(folder.iterdir()))}"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return Part(name, path, "", split, archive)


def texts(folder: Path) -> dict[str, list[str]]:
    return {name: (folder / f"{name}.txt").read_bytes().decode().split("\f\n") for name in NAMES}


def rows(folder: Path) -> dict[str, list[list[str]]]:
    result = {}
    for name in NAMES:
        with open(folder / f"{name}.csv", newline="", encoding="utf-8") as file:
            result[name] = list(csv.reader(file))[1:]
    return result


def joined(found: dict[str, list[Any]]) -> list[Any]:
    return [item for name in NAMES for item in found[name]]


def test_tales_of_both_kinds(tmp_path):
    tales = [f"THE TALE, NO. {number}\n\nOnce upon a time.\n\nIt ended.\n\n\nSo {number}." for number in range(6)]
    table = "Topic\tTitle\tContent\r\nd\tstring\tstring\r\nclass\t\t\r\n\r\n" + "".join(
        f'x\tTale {number}\t"Content {number}, ""quoted""."\r\n' for number in range(5)
    )
    corpus = Stories(reader="tales", source=SOURCE, minimum=2, title="Title", split=StoryDraw(valid=0.2, test=0.2))
    sources = [part(tmp_path, "b.txt", "\ufeff\n" + "\n\n\n\n\n".join(tales) + "\n"), part(tmp_path, "g.tab", table)]
    counts = stories.read(corpus, sources, tmp_path)
    found = texts(tmp_path)
    expected = [f"{tale}\n" for tale in tales] + [f'TALE {n}\n\nContent {n}, "quoted".\n' for n in range(5)]
    assert sorted(joined(found)) == sorted(expected)
    assert {name: counts[name]["documents"] for name in NAMES} == {name: len(found[name]) for name in NAMES}


def test_tales_after_lines_in_capitals_with_headings_inside(tmp_path):
    """As the plain text of Grimms' tales comes: headings after four blank lines, parts of a tale after two."""
    titles = ["THE BIRD", "THE STRAW, THE COAL, AND THE BEAN", "LITTLE RED-CAP [LITTLE RED RIDING HOOD]", "HANS"]
    parts = [
        "\n\n\n1. HOW THEY WENT TO THE MOUNTAINS\n\nThey went.",
        "\n\n\nSECOND STORY\n\n\u2018So,\u2019 SAID HE.",
        "",
        "\n\n\n\nAS I WENT",
    ]
    tales = [f"{titles[n % 4]}\n\n\nOnce upon a time {n}.{parts[n % 4]}" for n in range(62)]
    whole = "\n" + "\n\n\n\n\n".join(tales) + "\n\n"
    source = part(tmp_path, "grimm.txt", whole.replace("\n", "\r\n"))
    corpus = Stories(reader="tales", source=SOURCE, minimum=2, straight_quotes=True)
    straight = [tale.replace("\u2018", "'").replace("\u2019", "'") + "\n" for tale in tales]
    assert stories.contents(source, corpus) == straight
    stories.read(corpus.model_copy(update={"take": [20]}), [source], tmp_path)
    assert sorted(joined(texts(tmp_path))) == sorted(straight[:20])


def test_tales_without_headings(tmp_path):
    corpus = Stories(reader="tales", source=SOURCE, minimum=2)
    with pytest.raises(AnamnesisError, match=r"b.txt: fewer than 3 headings"):
        stories.read(corpus, [part(tmp_path, "b.txt", "Just a text.\n" * 20)], tmp_path)


def test_works_stay_whole_without_licence(tmp_path):
    sources = [
        part(
            tmp_path,
            f"{n}.txt",
            f"*** START OF THE PROJECT GUTENBERG EBOOK {n} ***\n\nPlay {n}\f\n\n*** END OF THE PROJECT GUTENBERG\n",
        )
        for n in range(10)
    ]
    stories.read(Stories(reader="works", source=SOURCE, minimum=2, split=StoryDraw(valid=2, test=3)), sources, tmp_path)
    found = texts(tmp_path)
    assert sorted(joined(found)) == [f"Play {n}\n" for n in range(10)]
    assert [len(found[name]) for name in NAMES] == [5, 2, 3]


def test_limit_shortens_every_work_alike(tmp_path):
    sources = [part(tmp_path, f"{n}.txt", f"{n}" * 1000 * (n + 1)) for n in range(5)]
    stories.read(
        Stories(reader="works", source=SOURCE, minimum=2, limit=150, split=StoryDraw(valid=1, test=1)),
        sources,
        tmp_path,
    )
    found = sorted(joined(texts(tmp_path)))
    assert all(abs(len(content) - 1 - wanted) <= 1 for content, wanted in zip(found, (10, 20, 30, 40, 50), strict=True))


def test_chapters_follow_each_other(tmp_path):
    chapters = [f"第{number}回\n\n话说" for number in range(20)]
    corpus = Chapters(reader="chapters", source=SOURCE, minimum=2, split=Cut(valid=0.1, test=0.2))
    stories.read(corpus, [part(tmp_path, "c.json", json.dumps(chapters))], tmp_path)
    found = texts(tmp_path)
    assert found["train"] + found["valid"] + found["test"] == [f"{chapter}\n" for chapter in chapters]
    assert [len(found[name]) for name in NAMES] == [14, 2, 4]
    for broken in ("{", '{"a": 1}', "[1]"):
        with pytest.raises(AnamnesisError, match=r"JSON"):
            stories.read(corpus, [part(tmp_path, "c.json", broken)], tmp_path)


def test_series_is_cut_in_time(tmp_path):
    months = [f"{1749 + number / 12:.10f}".rstrip("0").rstrip(".") for number in range(120)]
    table = '"","time","sunspot.month"\n' + "".join(f'"{n}",{when},{n}.5\n' for n, when in enumerate(months))
    corpus = Series(
        reader="series", source=SOURCE, value="sunspot.month", calendar="decimal-year", split=Cut(valid=0.1, test=0.2)
    )
    counts = series.read(corpus, [part(tmp_path, "s.csv", table)], tmp_path)
    found = rows(tmp_path)
    joined = found["train"] + found["valid"] + found["test"]
    assert joined == [[f"{1749 + n // 12}-{n % 12 + 1:02d}", f"{n}.5"] for n in range(120)]
    assert {name: counts[name]["rows"] for name in NAMES} == {"train": 84, "valid": 12, "test": 24}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("time,x\n1,2\n", "no column 'value'; there are time, x"),
        ('time,"x\ny"\n1,2\n', r"no column 'value'; there are time, x\\ny"),
        ("time,value\n1,2\n2,abc\n", "line 3: 'abc' is not a number"),
        ("time,value\n1,nan\n", "line 2: 'nan' is not a number"),
        ("time,value\n1\n", "line 2: 1 columns; 2 are expected"),
        ("time,value\n1,2\n", "only 1 rows; at least 30"),
        ("", "no column 'time'; there are none"),
        ("time,value\n1,1_000\n", "line 2: '1_000' is not a number"),
        ("time,value\n1,\u0661\n", "line 2: '\u0661' is not a number"),
        ("time,value,value\n1,2,3\n", "2 columns are named 'value'"),
    ],
)
def test_broken_series(tmp_path, table, problem):
    with pytest.raises(AnamnesisError, match=problem):
        series.read(Series(reader="series", source=SOURCE), [part(tmp_path, "s.csv", table)], tmp_path)


def a_series(folder: Path, times: list[str], **keys: Any) -> list[str]:
    """The times that the reader writes for these, in the order of the source."""
    corpus = Series(reader="series", source=SOURCE, minimum=3, split=Cut(valid=1, test=1), **keys)
    table = "time,value\n" + "".join(f"{time},{number}\n" for number, time in enumerate(times))
    series.read(corpus, [part(folder, "s.csv", table)], folder)
    found = rows(folder)
    written = found["train"] + found["valid"] + found["test"]
    assert [value for _, value in written] == [str(number) for number in range(len(times))]
    return [time for time, _ in written]


@pytest.mark.parametrize(
    ("times", "written"),
    [
        (["1998", "1999", "2001"], None),
        (["-1", "0", "0.5", "1e3"], None),
        (["9999999", "10000000", "10000001"], None),
        (["2019-11", "2019-12", "2020-01"], None),
        (["20191231", "20200101", "20200102"], ["2019-12-31", "2020-01-01", "2020-01-02"]),
        (["2020-01", "2020-01-31", "2020-02"], ["2020-01-01", "2020-01-31", "2020-02-01"]),
        (["2020-01-01T00:00", "2020-01-02T00:00", "2020-01-03"], ["2020-01-01", "2020-01-02", "2020-01-03"]),
        (["2020-01-01 00:01", "2020-01-01T00:02", "2020-01-01 00:03:00"], [f"2020-01-01 00:0{n}" for n in (1, 2, 3)]),
        ([f"2020-01-01 00:00:0{n}" for n in (1, 2, 3)], None),
        ([f"2020-03-0{n}T00:00+02:00" for n in (1, 2, 3)], [f"2020-03-0{n}" for n in (1, 2, 3)]),
    ],
)
def test_times_of_a_series_get_one_form(tmp_path, times, written):
    assert a_series(tmp_path, times) == (written or times)


@pytest.mark.parametrize(
    ("times", "problem"),
    [
        (["1", "2", "2"], "line 4: 2 is there twice; allowed: each date once, in ascending order"),
        (["1", "2", "2.0"], "line 4: 2.0 is there twice"),
        (["1", "3", "2"], "line 4: 2 comes after 3"),
        (["2020-01", "2020-02", "2020-02-01"], "line 4: 2020-02-01 is there twice"),
        (["2020-01-01 00:01", "2020-01-01 00:02", "2020-01-01 00:01"], "line 4: 2020-01-01 00:01 comes after 2020"),
        (["Q1 1900", "Q2 1900", "Q3 1900"], "line 2: 'Q1 1900' is not a date; allowed: 2020-01, 2020-01-31, "),
        (["1900", "1901", "1902-01"], "line 2: '1900' is not a date"),
        (["2020-02-29", "2020-02-30", "2020-03-01"], "line 3: '2020-02-30' is not a date"),
        (["2020-03-01T00:00+01:00", "2020-03-02", "2020-03-03"], "line 3: 2020-03-02 has another offset from UTC than"),
        (["", "1", "2"], "line 2: '' is not a date"),
        (["nan", "1", "2"], "line 2: 'nan' is not a date"),
    ],
)
def test_times_that_no_series_has(tmp_path, times, problem):
    with pytest.raises(AnamnesisError, match=re.escape(f"s.csv: {problem}")):
        a_series(tmp_path, times)


@pytest.mark.parametrize("year", ["1e308", "-1", "0.5", "10000", "1_900", "x"])
def test_years_that_no_date_has(tmp_path, year):
    with pytest.raises(AnamnesisError, match=f"line 4: '{year}' is not a year with decimals from 1 to 9999"):
        a_series(tmp_path, ["1900", "1900.5", year], calendar="decimal-year")


def test_a_time_of_two_splits(tmp_path):
    parts = [
        part(tmp_path, f"{name}.csv", "time,value\n" + "".join(f"2020-{month},1\n" for month in months), name)
        for name, months in (("train", ["01", "02", "03"]), ("valid", ["05"]), ("test", ["03", "04"]))
    ]
    corpus = Series(reader="series", source=SOURCE, minimum=3)
    with pytest.raises(AnamnesisError, match=r"test.csv: line 2: 2020-03 is in another split, too"):
        series.read(corpus, parts, tmp_path)


# Each is the end of a line to Unicode, and part of a cell to a table.
LINE_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


def test_cells_are_not_torn_at_what_unicode_calls_the_end_of_a_line(tmp_path):
    content = f"One{LINE_ENDS}text"
    table = "note,time,value\r\n" + "".join(f"{content},{number},{number}.5\r\n" for number in range(30))
    series.read(Series(reader="series", source=SOURCE), [part(tmp_path, "s.csv", table)], tmp_path)
    assert joined(rows(tmp_path)) == [[str(number), f"{number}.5"] for number in range(30)]
    table = "label,text\n" + "".join(f"{number % 2},{content} {number}\n" for number in range(40))
    documents.read(Documents(reader="documents", source=SOURCE), [part(tmp_path, "d.csv", table)], tmp_path)
    assert sorted(joined(rows(tmp_path))) == sorted([str(number % 2), f"{content} {number}"] for number in range(40))
    head = "Title\tContent\nstring\tstring\n\t\n"
    table = head + "".join(f"Tale {number}\t{content} {number}\n" for number in range(40))
    corpus = Stories(reader="tales", source=SOURCE, minimum=2)
    found = stories.contents(part(tmp_path, "t.tab", table), corpus)
    assert found == [content.replace("\f", "\n") + f" {number}\n" for number in range(40)]
    lines = "".join(f"Source {number}.\tTarget {number}.\t{content}\n" for number in range(40))
    pairs.read(Pairs(reader="pairs", source=SOURCE), [part(tmp_path, "p.txt", lines)], tmp_path)
    assert {row[2] for row in joined(rows(tmp_path))} == {content}


def test_a_column_that_is_there_twice(tmp_path):
    with pytest.raises(AnamnesisError, match=r"d.csv: 2 columns are named 'text'"):
        documents.read(
            Documents(reader="documents", source=SOURCE), [part(tmp_path, "d.csv", "label,text,text\n")], tmp_path
        )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[" * 200_000, "too many brackets inside each other"),
        ('["a", "\\ud800"]', r"found \\ud800, half of a character"),
        ('["\\udc00\\ud83d"]', r"found \\udc00, half of a character"),
        ("[1" + "0" * 5000 + "]", "not valid JSON"),
        ("[NaN", "not valid JSON"),
    ],
    ids=lambda value: value[:20],
)
def test_json_that_no_file_of_text_can_hold(tmp_path, content, problem):
    with pytest.raises(AnamnesisError, match=f"c.json: {problem}") as caught:
        stories.read(Chapters(reader="chapters", source=SOURCE), [part(tmp_path, "c.json", content)], tmp_path)
    assert "\n" not in str(caught.value)
    both = [part(tmp_path, "en.json", '{"a": "b"}'), part(tmp_path, "nl.json", content)]
    with pytest.raises(AnamnesisError, match=f"nl.json: {problem}"):
        pairs.read(Pairs(reader="pairs", source=SOURCE), both, tmp_path)


def test_both_halves_of_a_character(tmp_path):
    assert text.json_of(part(tmp_path, "c.json", '["\\ud83d\\ude00"]')) == ["\U0001f600"]


def test_the_order_of_rows_does_not_depend_on_the_seed_of_hashes():
    """Where a source names the split of some files and not of others."""

    def said(seed: int) -> str:
        environment = os.environ | {"PYTHONHASHSEED": str(seed)}
        command = [sys.executable, str(Path(__file__).with_name("mixed_splits.py"))]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    first = said(0)
    readers = [line.split()[0] for line in first.splitlines()]
    assert readers == ["works", "documents", "pairs", "pairs", "digits", "series"]
    assert all(said(seed) == first for seed in range(1, 6))


def test_documents_keep_the_published_test(tmp_path):
    head = "Category\tText\nd\tstring\nclass\t\n\n"
    train = [(f"c{n % 2}", f"text {n}") for n in range(100)]
    test = [("c0", "Text  7"), ("c1", "new"), ("c1", "new")]
    sources = [
        part(tmp_path, "a-train.tab", head + "".join(f"{label}\t{content} \n" for label, content in train), "train"),
        part(tmp_path, "a-test.tab", head + "".join(f"{label}\t{content}\n" for label, content in test), "test"),
    ]
    corpus = Documents(reader="documents", source=SOURCE, label="Category", text=["Text"], split=Draw(valid=0.2))
    counts = documents.read(corpus, sources, tmp_path)
    found = rows(tmp_path)
    assert [tuple(row) for row in found["test"]] == test
    assert sorted(map(tuple, found["train"] + found["valid"])) == sorted(set(train) - {("c1", "text 7")})
    assert counts["train"]["removed_as_duplicates"] == 1
    assert sum(row[0] == "c0" for row in found["valid"]) == 10


def test_documents_without_a_header_and_in_several_columns(tmp_path):
    table = "".join(f'"{n % 3 + 1}","Title {n}","Said ""{n}"",\nnext line"\n' for n in range(40))
    corpus = Documents(reader="documents", source=SOURCE, columns=["label", "title", "body"], text=["title", "body"])
    documents.read(corpus, [part(tmp_path, "x.csv", table)], tmp_path)
    found = rows(tmp_path)
    assert ["1", 'Title 0 Said "0",\nnext line'] in joined(found)
    with pytest.raises(AnamnesisError, match=r"x.csv: line 2: 2 columns; 3 are expected"):
        documents.read(corpus, [part(tmp_path, "x.csv", "1,a,b\n2,c\n")], tmp_path)


def test_a_heading_is_left_out_of_the_files_that_have_one(tmp_path):
    rows = [f"{number % 2 + 1},title {number},body {number}" for number in range(40)]
    (tmp_path / "with.csv").write_text("\n".join(["Class,Title,Body", *rows[:30]]))
    (tmp_path / "without.csv").write_text("\n".join(rows[30:]))
    parts = [
        Part("with.csv", tmp_path / "with.csv", "", "train"),
        Part("without.csv", tmp_path / "without.csv", "", "test"),
    ]
    corpus = Documents(
        reader="documents",
        source=SOURCE,
        columns=["label", "title", "body"],
        heading=["Class", "Title", "Body"],
        text=["title", "body"],
    )
    (tmp_path / "out").mkdir()
    counts = documents.read(corpus, parts, tmp_path / "out")
    assert counts["train"]["rows"] + counts["valid"]["rows"] == 30
    assert counts["test"]["rows"] == 10
    assert "Class" not in (tmp_path / "out" / "train.csv").read_text()


def test_pairs_from_lines(tmp_path):
    lines = "".join(f"Sentence {n}.\tZin {n}.\tCC-BY {n}\n" for n in range(60)) + "\nsentence  1.\tZIN 1.\n"
    counts = pairs.read(Pairs(reader="pairs", source=SOURCE), [part(tmp_path, "n.txt", lines)], tmp_path)
    found = rows(tmp_path)
    assert sorted(joined(found)) == sorted([f"Sentence {n}.", f"Zin {n}.", f"CC-BY {n}"] for n in range(60))
    assert counts["left_out"]["duplicates"] == 1


@pytest.mark.parametrize("line", ["no tab here", "only\t", "\tone", "spaces    only"])
def test_pairs_without_tabs(tmp_path, line):
    data = "a\tb\n\n" + line + "\n"
    with pytest.raises(AnamnesisError, match=r"n.txt: line 3: not two sentences with a tab between them"):
        pairs.read(Pairs(reader="pairs", source=SOURCE), [part(tmp_path, "n.txt", data)], tmp_path)


def test_no_sentence_of_either_language_is_on_both_sides(tmp_path):
    lines = "".join(f"The {n % 37} thing\tHet {n % 41} ding{n // 500}\n" for n in range(0, 1000, 7))
    lines += "".join(f"Other {n}\tAnder {n // 2}\n" for n in range(200))
    pairs.read(
        Pairs(reader="pairs", source=SOURCE, split=Draw(valid=0.1, test=0.1)), [part(tmp_path, "n", lines)], tmp_path
    )
    found = rows(tmp_path)
    for column in (0, 1):
        seen = [{normalise(row[column]) for row in found[name]} for name in NAMES]
        assert sum(map(len, seen)) == len(seen[0] | seen[1] | seen[2])


@pytest.mark.parametrize(
    ("sentence", "cleaned"),
    [
        ("Cafe\u0301  noir\u00a0\n", "Caf\u00e9 noir"),
        ("\ufeffMor\u00adgen \u200b komt\u0000", "Morgen komt"),
        ("one\ttwo\x85three\x1cfour\x7f\x9b", "one two three four"),
        ("e\u200b\u0301", "\u00e9"),
        ("\u202aleft\u202c \u2060right\u200f", "left right"),
        (
            "\u0645\u06cc\u200c\u062e, \U0001f468\u200d\U0001f469",
            "\u0645\u06cc\u200c\u062e, \U0001f468\u200d\U0001f469",
        ),
        ("\ufb01ne \u00bd \u201cquoted\u201d", "\ufb01ne \u00bd \u201cquoted\u201d"),
    ],
)
def test_what_nobody_sees_is_cleaned_away(sentence, cleaned):
    assert cleaning.clean(sentence) == cleaning.clean(cleaned) == cleaned


def test_sentences_that_look_the_same_are_the_same(tmp_path):
    lines = "".join(f"A caf\u00e9 {n}\tEen caf\u00e9 {n}\nA CAFE\u0301\u00ad {n}\tCaf\u00e9 {n}\n" for n in range(60))
    lines += "".join(f"\ufeffA cafe\u0301\u200b {n}\tEen caf\u00e9\u0000 {n}\n" for n in range(60))
    counts = pairs.read(Pairs(reader="pairs", source=SOURCE), [part(tmp_path, "n", lines)], tmp_path)
    found = rows(tmp_path)
    assert counts["left_out"]["duplicates"] == 60
    assert sorted(row[:2] for row in joined(found)) == sorted(
        row
        for n in range(60)
        for row in ([f"A caf\u00e9 {n}", f"Een caf\u00e9 {n}"], [f"A CAF\u00c9 {n}", f"Caf\u00e9 {n}"])
    )
    seen = [{normalise(row[0]) for row in found[name]} for name in NAMES]
    assert all(seen)
    assert sum(map(len, seen)) == len(seen[0] | seen[1] | seen[2]) == 60


def catalogue(messages: dict[str, str], order: str = "<") -> bytes:
    """A compiled catalogue, laid out as the GNU gettext manual says."""
    entries = [(source.encode(), target.encode()) for source, target in sorted(messages.items())]
    count, data = len(entries), b""
    tables: list[list[bytes]] = [[], []]
    for column in (0, 1):
        for entry in entries:
            offset = 28 + 16 * count + len(data)
            tables[column].append(struct.pack(f"{order}2I", len(entry[column]), offset))
            data += entry[column] + b"\0"
    head = struct.pack(f"{order}7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0)
    return head + b"".join(tables[0] + tables[1]) + data


@pytest.mark.parametrize("order", ["<", ">"])
def test_catalogues_are_read_as_the_standard_library_reads_them(order):
    messages = {"": "Content-Type: text/plain; charset=UTF-8\n", "A dog": "Een hond", "menu\x04Open it": "Open hét"}
    data = catalogue(messages, order)
    reference = gettext.GNUTranslations(io.BytesIO(data))
    found = dict(pairs.read_mo(data))
    assert found == messages
    assert reference.gettext("A dog") == found["A dog"]
    assert reference.pgettext("menu", "Open it") == found["menu\x04Open it"]


def test_pairs_from_catalogues_and_translations(tmp_path):
    messages = {
        "": "Project-Id-Version: 1\n",
        "menu\x04Save the file": "Bewaar het bestand",
        "One dog\0Many dogs": "Eén hond\0Veel honden",
        "Hello": "Hallo daar",
        "Dear %(name)s, hello": "Beste %(name)s, hallo",
        "Click <b>here</b> now": "Klik <b>hier</b> nu",
        "See https://a.example now": "Zie nu https://a.example",
        "Home Assistant": "Home Assistant",
        "100 %": "100 %",
    }
    english = {"title": "Turn it on", "state": {"a": "Not yet known", "b": "Only {name} here"}, "n": [1]}
    dutch = {"title": "Zet het aan", "state": {"a": "Nog niet bekend", "b": "Alleen {name} hier"}}
    parts = [
        part(tmp_path, "x/nl/LC_MESSAGES/x.mo", catalogue(messages), archive="x.whl"),
        part(tmp_path, "t/en-0123456789abcdef.json", json.dumps(english), archive="h.whl"),
        part(tmp_path, "t/nl-fedcba9876543210.json", json.dumps(dutch), archive="h.whl"),
        part(tmp_path, "u/en.json", json.dumps({"a": "Without a partner"}), archive="h.whl"),
    ]
    corpus = Pairs(reader="pairs", source=SOURCE, minimum=3, minimum_words=2, plain=True, split=Draw(valid=1, test=1))
    counts = pairs.read(corpus, parts, tmp_path)
    assert sorted(joined(rows(tmp_path))) == [
        ["Many dogs", "Veel honden", "x.whl"],
        ["Not yet known", "Nog niet bekend", "h.whl"],
        ["One dog", "Eén hond", "x.whl"],
        ["Save the file", "Bewaar het bestand", "x.whl"],
        ["Turn it on", "Zet het aan", "h.whl"],
    ]
    assert counts["left_out"] == {
        "too_short": 2,
        "templates": 4,
        "same_on_both_sides": 1,
        "duplicates": 0,
        "in_a_published_split": 0,
    }


def test_pairs_with_the_same_placeholders_stay_where_they_are_asked_for(tmp_path):
    kept = [
        ("Save", "Opslaan"),
        ("%s of %d", "%d van de %s"),
        ("Dear <b>%(name)s</b>, see https://a.example/x.", "Zie https://a.example/x, beste <b>%(name)s</b>."),
        ("{a}, {a} and {b}", "{b}, {a} en {a}"),
        ("Nothing here", "Hier niets"),
    ]
    left = [
        ("%s", "%s"),
        ("Open %s", "Open"),
        ("{a} and {b}", "{a} en {a}"),
        ("{n, plural, one {# day} other {days}}", "{n, plural, one {# day} other {dagen}}"),
        ("Same %s", "same %s"),
    ]
    parts = [part(tmp_path, "n.txt", "\n".join("\t".join(pair) for pair in [*kept, *left]))]
    settings = {"reader": "pairs", "source": SOURCE, "minimum": 3, "plain": True, "split": Draw(valid=1, test=1)}
    counts = pairs.read(Pairs(**settings, placeholders=True), parts, tmp_path)
    assert sorted(tuple(row[:2]) for row in joined(rows(tmp_path))) == sorted(kept)
    assert {name: number for name, number in counts["left_out"].items() if number} == {
        "too_short": 1,
        "templates": 3,
        "same_on_both_sides": 1,
    }
    with pytest.raises(ValueError, match=r"placeholders: found true; allowed: false, unless `plain` is true"):
        Pairs(reader="pairs", source=SOURCE, placeholders=True)


def test_words_of_a_language_without_spaces_are_its_characters():
    assert [pairs.words("打开 文件!", language) for language in ("zh", "en")] == [4, 2]


@pytest.mark.parametrize(
    "text", ["%s of it", "{a} b", "$x is", "<b>", "&amp;", "www.x", "a@b.c", "[a](b)", "`x`", "**a**", "a _File", "a_b"]
)
def test_what_a_template_is(text):
    assert pairs.TEMPLATE.search(text)


@pytest.mark.parametrize("text", ["It's 100 % sure.", "5% of it", "Q & A (part 2): yes!", 'price: $ 5 - "so"'])
def test_what_a_template_is_not(text):
    assert not pairs.TEMPLATE.search(text)


@pytest.mark.parametrize(
    "data",
    [b"", b"garbage!", catalogue({"a": "b"})[:-2], catalogue({"a": "b"})[:30], b"\xde\x12\x04\x95" + b"\xff" * 40],
)
def test_broken_catalogue(tmp_path, data):
    with pytest.raises(AnamnesisError, match=r"x.mo: broken gettext catalogue"):
        pairs.read(Pairs(reader="pairs", source=SOURCE), [part(tmp_path, "x.mo", data)], tmp_path)


def test_digits(tmp_path):
    images = [[*((n * 7 + p * 5) % 17 for p in range(62)), n // 17, n % 17, n % 10] for n in range(200)]
    data = gzip.compress("".join(",".join(map(str, image)) + "\n" for image in images).encode())
    counts = digits.read(Digits(reader="digits", source=SOURCE), [part(tmp_path, "d.csv.gz", data)], tmp_path)
    found = rows(tmp_path)
    assert sorted(joined(found)) == sorted([str(value) for value in image] for image in images)
    assert counts == {"train": {"rows": 160}, "valid": {"rows": 20}, "test": {"rows": 20}}
    assert sorted(row[64] for row in found["test"]) == sorted(str(digit) for digit in range(10) for _ in range(2))


@pytest.mark.parametrize(
    "row",
    ["1,2,3", ",".join(["17"] * 65), ",".join(["1"] * 64 + ["10"]), ",".join(["x"] * 65), ",".join(["1" * 5000] * 65)],
    ids=len,
)
def test_broken_digits(tmp_path, row):
    with pytest.raises(AnamnesisError, match=r"d.csv: line 1: not 64 numbers"):
        digits.read(Digits(reader="digits", source=SOURCE), [part(tmp_path, "d.csv", row)], tmp_path)
