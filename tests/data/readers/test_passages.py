"""Labelled passages of several texts."""

import csv
import json
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anamnesis import params
from anamnesis.data.readers import passages, text
from anamnesis.data.settings import Book, Cut, Labelled, Package, Passages, PerLabel
from anamnesis.data.sources.sources import Part
from anamnesis.errors import AnamnesisError, ParamsError

NAMES = ("train", "valid", "test")
SOURCE = {
    "kind": "package",
    "files": [{"package": "a", "file": "a.zip", "members": [{"path": "x", "sha256": "0" * 64}]}],
}


def entry(labels: dict[str, dict[str, Any]], **values: Any) -> Passages:
    return Passages(
        reader="passages",
        source=Package.model_validate(SOURCE),
        labels={label: Labelled(**keys) for label, keys in labels.items()},
        **{"minimum": 2, "length": 60, "split": Cut(valid=0.1, test=0.1), **values},
    )


def book(name: str, lines: int = 300) -> str:
    return "".join(f"{name} wrote line {n} of it.\n" + "\n" * (n % 7 == 0) for n in range(lines))


def part(folder: Path, name: str, content: str) -> Part:
    path = folder / name.replace("/", "-")
    path.write_text(content)
    return Part(name, path, "")


def rows(folder: Path, name: str) -> list[tuple[str, str]]:
    with open(folder / f"{name}.csv", newline="", encoding="utf-8") as file:
        header, *found = csv.reader(file)
    assert header == ["label", "text"]
    return [(label, content) for label, content in found]


@pytest.fixture
def parts(tmp_path: Path) -> list[Part]:
    tales = [f"The tale {n} is told.\nIt ends at once, or almost, after {n} words." for n in range(60)]
    return [
        part(tmp_path, "a/doyle.txt", "Preface.\nBEGIN " + book("Doyle") + "END. And a licence.\n"),
        part(tmp_path, "a/grimm.json", json.dumps(tales)),
        part(tmp_path, "a/b/one_gut.txt", book("William", 150)),
        part(tmp_path, "a/b/two_gut.txt", book("Shakespeare", 150)),
    ]


LABELS: dict[str, dict[str, Any]] = {
    "doyle": {"files": "a/doyle.txt", "begin": "BEGIN", "end": "END."},
    "grimm": {"files": "**/grimm.json", "reader": "tales"},
    "shakespeare": {"files": "**/*_gut.txt", "reader": "works"},
}


@pytest.mark.parametrize("limit", [None, 3000])
def test_the_splits_are_those_of_the_same_text_as_a_corpus(tmp_path, parts, limit):
    corpus = entry(LABELS, limit=limit, per_label=PerLabel(train=10_000, valid=10_000, test=10_000))
    passages.read(corpus, parts, tmp_path)
    whole = tmp_path / "whole"
    whole.mkdir()
    settings = Book(
        reader="text", source=corpus.source, begin="BEGIN", end="END.", split=corpus.split, limit=limit, minimum=2
    )
    text.read(settings, parts[:1], whole)
    splits = {name: (whole / f"{name}.txt").read_text() for name in NAMES}
    for name in NAMES:
        mine = [content for label, content in rows(tmp_path, name) if label == "doyle"]
        assert mine
        for content in mine:
            assert {other for other in NAMES if content in splits[other]} == {name}


def test_every_label_has_as_many_and_of_its_whole_part(tmp_path, parts):
    counts = passages.read(entry(LABELS, per_label=PerLabel(train=20, valid=3, test=2)), parts, tmp_path)
    for name, number in (("train", 20), ("valid", 3), ("test", 2)):
        found = rows(tmp_path, name)
        assert [label for label, _ in found] == [label for label in LABELS for _ in range(number)]
        assert counts[name] == {"rows": 3 * number, "labels": 3, "characters": sum(len(item) for _, item in found)}
    lines = [
        int(content.split("line ")[1].split()[0]) for label, content in rows(tmp_path, "train") if label == "doyle"
    ]
    assert lines == sorted(lines)
    # 20 passages of 240 lines: neighbours are about 12 lines apart.
    assert all(9 <= after - before <= 15 for before, after in pairwise(lines))


def test_the_label_with_the_fewest_passages_says_how_many(tmp_path, parts):
    counts = passages.read(entry(LABELS), parts, tmp_path)
    fewest = {name: counts[name]["rows"] // 3 for name in NAMES}
    corpus = entry({**LABELS, "doyle": {**LABELS["doyle"], "split": Cut(valid=0.1, test=0.02)}})
    other = passages.read(corpus, parts, tmp_path)
    assert other["test"]["rows"] // 3 < fewest["test"]
    assert other["valid"]["rows"] // 3 == fewest["valid"]


def test_no_passage_crosses_two_documents_and_works_are_in_it_whole(tmp_path, parts):
    passages.read(entry(LABELS, length=40), parts, tmp_path)
    everything = [item for name in NAMES for item in rows(tmp_path, name)]
    for label, content in everything:
        assert "\f" not in content
        if label == "grimm":
            assert len({word for word in content.split() if word.isdigit()}) <= 1
    names = {content.split()[0] for label, content in everything if label == "shakespeare"}
    assert {"William", "Shakespeare"} <= names


def test_equal_passages_are_in_one_split_only(tmp_path):
    refrain = "So they sang, and so they sang, and danced.\n"
    sung = book("Anna", 100) + refrain * 200 + book("Eva", 100)
    sources = [part(tmp_path, "a", sung), part(tmp_path, "b", book("Bert", 300) + refrain)]
    labels = {"a": {"files": "a"}, "b": {"files": "b"}}
    passages.read(entry(labels, length=len(refrain) - 1, split=Cut(valid=0.3, test=0.2)), sources, tmp_path)
    found = [content for name in NAMES for _, content in rows(tmp_path, name)]
    assert len(found) == len(set(found)) > 100
    assert refrain.strip() in found


@given(words=st.lists(st.text("ab.", min_size=1, max_size=30), max_size=80), length=st.integers(2, 40))
def test_pieces_are_whole_words_and_as_long_as_they_can_be(words, length):
    document = " \n".join(words) + "\n"
    found = passages.passages(document, length)
    place = 0
    for piece in found:
        # A piece shorter than `length` ends with a word; else a long word may have been cut.
        match = re.compile(re.escape(piece) + r"(?!\S)" * (len(piece) < length)).search(document, place)
        assert match
        place = match.end()
        assert math.ceil(length / 2) <= len(piece) <= length
        assert piece == piece.strip()
        if len(piece) < length:
            after = document[place:].split()
            assert not after or len(piece) + 2 + len(after[0]) > length or len(document) - place <= length


def test_even_distances():
    assert passages.evenly(range(10), 5) == [0, 2, 4, 6, 8]
    assert passages.evenly(range(7), 7) == list(range(7))


@pytest.mark.parametrize(
    ("labels", "values", "problem"),
    [
        (
            {"x": {"files": "a/nothing*"}},
            {},
            r"labels.x.files: found 'a/nothing\*', which selects no file; there are a/d",
        ),
        ({"x": {"files": "**/*_gut.txt"}}, {}, r"`reader: text` takes one file"),
        ({"x": {"files": "a/doyle.txt", "begin": "Nowhere"}}, {}, r"'Nowhere', is not in it"),
        ({"x": {"files": "a/grimm.json", "reader": "works"}}, {"minimum": 10_000}, r"labels.x: only 3,\d+ characters"),
        ({}, {"length": 5000}, r"labels.grimm: no passage of 5000 characters: train would be empty"),
    ],
)
def test_what_cannot_be_read(tmp_path, parts, labels, values, problem):
    with pytest.raises(AnamnesisError, match=problem) as caught:
        passages.read(entry({**labels, **LABELS}, **values), parts, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (
            {"source": {"kind": "file", "path": "x"}},
            ": `reader: passages` needs a source of kind package, url or mixed",
        ),
        ({"labels": {"a": {"files": "a"}}}, ".labels: found a mapping; allowed: at least 2 entries"),
        ({"labels": {"a": {"files": "a", "reader": "works", "begin": "b"}, "b": {"files": "b"}}}, ".labels.a: `begin`"),
        ({"labels": {"a": {"files": "a", "title": "b"}, "b": {"files": "b"}}}, ".labels.a: `column`, `title`"),
        ({"length": 1}, ".length: found 1; allowed: at least 2"),
        ({"per_label": {"test": 0}}, ".per_label.test: found 0; allowed: at least 1"),
    ],
)
def test_refused_by_the_schema(values, problem):
    labels = {"a": {"files": "a"}, "b": {"files": "b"}}
    corpus = {"reader": "passages", "source": SOURCE, "labels": labels, **values}
    content = {"profile": "laptop", "corpora": {"mine": corpus}, "tokens": {}, "experiments": {}}
    with pytest.raises(ParamsError) as caught:
        params.check(content)
    assert str(caught.value).startswith(f"corpora.yaml: corpora.mine{problem}")
