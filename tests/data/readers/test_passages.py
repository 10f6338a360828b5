"""Labelled passages of several texts."""

import json
import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anamnesis.data.readers import passages
from anamnesis.errors import AnamnesisError

SPLITS = ("train", "valid", "test")
KEYS = {"reader": "passages", "minimum": 2, "length": 60, "split": {"valid": 0.1, "test": 0.1}}
LABELS = {
    "doyle": {"files": "a/doyle.txt", "begin": "BEGIN", "end": "END."},
    "grimm": {"files": "**/grimm.json", "reader": "tales"},
    "shakespeare": {"files": "**/*_gut.txt", "reader": "works"},
}


def book(name: str, lines: int = 300) -> str:
    return "".join(f"{name} wrote line {n} of it.\n" + "\n" * (n % 7 == 0) for n in range(lines))


FILES = [
    ("a/doyle.txt", "Preface.\nBEGIN " + book("Doyle") + "END. And a licence.\n"),
    (
        "a/grimm.json",
        json.dumps([f"Tale {n} began.\nIt ended at once, or almost, after {n} words." for n in range(60)]),
    ),
    ("a/b/one_gut.txt", book("William", 150)),
    ("a/b/two_gut.txt", book("Shakespeare", 150)),
]


@pytest.mark.parametrize("limit", [None, 3000])
def test_a_label_has_the_splits_that_its_text_has_as_a_corpus(read, limit):
    ours, _ = read(KEYS | {"labels": LABELS, "limit": limit, "per_label": dict.fromkeys(SPLITS, 10_000)}, *FILES)
    ends = {"begin": "BEGIN", "end": "END."}
    book_keys = {"reader": "text", **ends, "limit": limit, "minimum": 2, "split": KEYS["split"]}
    texts = {name: "".join(content) for name, content in read(book_keys, FILES[0])[0].items()}
    for name in SPLITS:
        of_doyle = [content for label, content in ours[name] if label == "doyle"]
        assert of_doyle
        for content in of_doyle:
            assert {other for other in SPLITS if content in texts[other]} == {name}


def test_every_label_has_the_same_number_from_its_whole_split(read):
    numbers = {"train": 20, "valid": 3, "test": 2}
    splits, counts = read(KEYS | {"labels": LABELS, "per_label": numbers}, *FILES)
    for name, number in numbers.items():
        assert [label for label, _ in splits[name]] == [label for label in LABELS for _ in range(number)]
        characters = sum(len(content) for _, content in splits[name])
        assert counts[name] == {"rows": 3 * number, "labels": 3, "characters": characters}
    lines = [int(content.split("line ")[1].split()[0]) for label, content in splits["train"] if label == "doyle"]
    # 20 passages of 240 lines: neighbours are about 12 lines apart.
    assert all(9 <= after - before <= 15 for before, after in pairwise(lines))
    # The label with the fewest passages decides.
    _, all_counts = read(KEYS | {"labels": LABELS}, *FILES)
    fewer = LABELS | {"doyle": {**LABELS["doyle"], "split": {"valid": 0.1, "test": 0.02}}}
    _, fewer_counts = read(KEYS | {"labels": fewer}, *FILES)
    assert fewer_counts["test"]["rows"] < all_counts["test"]["rows"]
    assert fewer_counts["valid"]["rows"] == all_counts["valid"]["rows"]


def test_no_passage_spans_two_documents(read, join):
    rows = join(read(KEYS | {"labels": LABELS, "length": 40}, *FILES)[0])
    for label, content in rows:
        assert "\f" not in content
        if label == "grimm":
            assert len({word for word in content.split() if word.isdigit()}) <= 1
    assert {"William", "Shakespeare"} <= {content.split()[0] for label, content in rows if label == "shakespeare"}


def test_equal_passages_are_in_one_split(read, join):
    refrain = "So they sang, and so they sang, and danced.\n"
    files = [("a", book("Anna", 100) + refrain * 200 + book("Eva", 100)), ("b", book("Bert", 300) + refrain)]
    keys = {"labels": {"a": {"files": "a"}, "b": {"files": "b"}}, "length": len(refrain) - 1}
    found = [content for _, content in join(read(KEYS | keys | {"split": {"valid": 0.3, "test": 0.2}}, *files)[0])]
    assert len(found) == len(set(found)) > 100
    assert refrain.strip() in found


@given(words=st.lists(st.text("ab.", min_size=1, max_size=30), max_size=80), length=st.integers(2, 40))
def test_passages_are_whole_words_and_as_long_as_possible(words, length):
    document = " \n".join(words) + "\n"
    place = 0
    for piece in passages.cut_passages(document, length):
        # A passage shorter than `length` ends with a word; otherwise a long word may be cut.
        match = re.compile(re.escape(piece) + r"(?!\S)" * (len(piece) < length)).search(document, place)
        assert match
        place = match.end()
        assert math.ceil(length / 2) <= len(piece) <= length
        assert piece == piece.strip()
        if len(piece) < length:
            after = document[place:].split()
            assert not after or len(piece) + 2 + len(after[0]) > length or len(document) - place <= length


@pytest.mark.parametrize(
    ("labels", "keys", "problem"),
    [
        ({"x": {"files": "no*"}}, {}, r"labels.x.files: found 'no\*', which selects no file; there are a/d"),
        ({"x": {"files": "**/*_gut.txt"}}, {}, r"`reader: text` takes one file"),
        ({"x": {"files": "a/grimm.json", "reader": "works"}}, {"minimum": 10_000}, r"labels.x: only 3,\d+ characters"),
        ({}, {"length": 5000}, r"labels.grimm: no passage of 5000 characters: train would be empty"),
    ],
)
def test_labels_that_cannot_be_read(read, labels, keys, problem):
    with pytest.raises(AnamnesisError, match=problem):
        read(KEYS | {"labels": labels | LABELS} | keys, *FILES)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"reader": "works", "begin": "b"}, "`begin` and `end` need"),
        ({"title": "b"}, "`column`, `title`"),
        ({"files": "{a"}, r"in which every '\{' has its '\}'"),
    ],
)
def test_labels_that_are_refused(corpus, keys, problem):
    with pytest.raises(ValueError, match=problem):
        corpus(**KEYS | {"labels": {"a": {"files": "a", **keys}, "b": {"files": "b"}}})
