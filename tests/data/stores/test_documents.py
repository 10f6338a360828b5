"""Labelled documents as ids."""

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anamnesis.data.stores import store
from anamnesis.data.stores.store import open_documents, read_stats
from anamnesis.data.tokenizers import tokenizer
from anamnesis.errors import AnamnesisError

TRAIN = [
    ("sport", 'The cat ran. "Well run,"\n\nsaid the dög.'),
    ("arts", "Dancing, <s> and </s> <unk> the cat"),
    ("news", "now"),
    ("arts", "🙂 ran\nThe cat"),
]
VALID = [("news", "The cat danced. now"), ("arts", "ü")]
TEST = [("sport", "ran")]
KINDS = [
    {"kind": "characters"},
    {"kind": "words"},
    {"kind": "words", "lower": True, "minimum_count": 2},
    {"kind": "words", "sentences": "lines"},
    {"kind": "subwords", "size": 270},
]

Rows = list[tuple[str, str]]


def name(values: dict[str, Any]) -> str:
    return "-".join(map(str, values.values()))


@pytest.fixture
def make(tmp_path: Path, entry: Callable[..., Any]) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """A function that writes a token store of three tables and returns its folder and its counts."""

    def _make(
        train: Rows = TRAIN, valid: Rows = VALID, test: Rows = TEST, **values: Any
    ) -> tuple[Path, dict[str, Any]]:
        for split, rows in (("train", train), ("valid", valid), ("test", test)):
            with open(tmp_path / f"{split}.csv", "w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows([("label", "text"), *rows])
        sources = {split: tmp_path / f"{split}.csv" for split in store.SPLITS}
        return tmp_path / "store", store.write(tmp_path / "store", entry(**values), sources)

    return _make


@pytest.mark.parametrize("values", KINDS, ids=name)
def test_every_document_by_itself(make, values):
    folder, stats = make(**values)
    assert stats == read_stats(folder)
    assert stats["labels"] == ["arts", "news", "sport"]
    assert stats["alphabet"] == len(set("".join(content for _, content in TRAIN)))
    learned = tokenizer.load(folder / "tokenizer.json")
    for split, rows in (("train", TRAIN), ("valid", VALID), ("test", TEST)):
        documents = open_documents(folder, split)
        assert len(documents) == len(rows) == stats["splits"][split]["documents"]
        assert [stats["labels"][number] for number in documents.labels] == [label for label, _ in rows]
        assert documents.labels.dtype == np.uint8
        assert documents.offsets.dtype == np.int64
        for number, (_, content) in enumerate(rows):
            around = (learned.start_id, learned.end_id)
            expected = [i for i in learned.encode(content).tolist() if i not in around or learned.kind != "words"]
            assert documents[number].tolist() == expected
        assert np.concatenate([documents[number] for number in range(len(rows))]).tolist() == documents.ids.tolist()
        counts = stats["splits"][split]
        assert counts["tokens"] == len(documents.ids)
        assert counts["characters"] == sum(len(content) for _, content in rows)
        unknown = 0 if learned.unknown_id is None else np.count_nonzero(documents.ids == learned.unknown_id)
        assert counts["unknown_tokens"] == unknown
        assert counts["ids_sha256"] == hashlib.sha256((folder / f"{split}.npy").read_bytes()).hexdigest()
        table = folder.parent / f"{split}.csv"
        assert counts["text_sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()


@pytest.mark.parametrize("values", [KINDS[0], KINDS[4]], ids=name)
def test_the_text_of_a_document_comes_back(make, values):
    folder, _ = make(**values)
    learned = tokenizer.load(folder / "tokenizer.json")
    documents = open_documents(folder, "train")
    assert [documents.text(number, learned) for number in range(4)] == [content for _, content in TRAIN]
    with pytest.raises(IndexError):
        documents[4]


def test_nothing_is_learned_across_documents(make):
    rows = [("a", "xy"), ("b", "zx"), ("a", "y")] * 50
    folder, _ = make(rows, rows, rows, kind="subwords", size=300)
    tokens = set(tokenizer.load(folder / "tokenizer.json").tokens)
    assert {"xy", "zx"} <= tokens
    assert not {"yz", "xyzx", "yzx"} & tokens
    # A document without an end mark is no part of the next one's sentence, nor its last word of the next one's first.
    folder, _ = make(rows, rows, rows, kind="words")
    assert tokenizer.load(folder / "tokenizer.json").tokens[3:] == ["xy", "y", "zx"]
    folder, _ = make(rows, rows, rows, kind="characters")
    assert tokenizer.load(folder / "tokenizer.json").tokens[1:] == ["x", "y", "z"]


def test_vocabulary_and_labels_come_from_train(make):
    folder, stats = make([("a", "one two"), ("b", "two")], [("b", "one three")], [("a", "three")], kind="words")
    assert tokenizer.load(folder / "tokenizer.json").tokens[3:] == ["two", "one"]
    assert open_documents(folder, "valid").ids.tolist() == [4, 0]
    assert stats["splits"]["valid"]["unknown_characters"] == len("three")
    with pytest.raises(AnamnesisError, match=r"valid.csv: the label 'c' does not occur in the training split"):
        make([("a", "x")], [("c", "x")], kind="characters")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "found the columns \\(none\\); allowed: label, text"),
        (b"place,value\n1,2\n", "found the columns place, value; allowed: label, text"),
        (b"label,text\n", "the table has no documents"),
        (b"label,text\na,b\na\n", "line 3: 1 columns; 2 are expected"),
        (b'label,text\na,"b\n', "line 2: unexpected end of data"),
        (b"label,text\na,b\na,\xff\n", "line 3: not UTF-8"),
        (b"label,text\na,b\na,\n", "document 2 has nothing to tokenize"),
    ],
)
@pytest.mark.parametrize("split", ["train", "valid"])
def test_tables_that_are_no_documents(make, entry, tmp_path, split, data, problem):
    folder, stats = make([("a", "b")], [("a", "b")], [("a", "b")], kind="characters")
    (tmp_path / f"{split}.csv").write_bytes(data)
    with pytest.raises(AnamnesisError, match=f"{split}.csv: {problem}") as caught:
        store.write(folder, entry(kind="characters"), {name: tmp_path / f"{name}.csv" for name in store.SPLITS})
    assert "\n" not in str(caught.value)
    assert read_stats(folder) == stats


def test_a_text_is_no_documents(build):
    folder, _ = build("abc")
    with pytest.raises(AnamnesisError, match=r"train.offsets.npy: .* holds a text, not documents"):
        open_documents(folder, "train")


@pytest.mark.parametrize("offsets", [[0, 3, 4], [1, 3, 5], [0, 3, 3], [0, 5], [0, 4, 3]])
def test_offsets_that_do_not_fit(make, offsets):
    folder, _ = make([("a", "xyz"), ("b", "x")], [("a", "x")], [("a", "x")], kind="characters")
    assert len(open_documents(folder, "train")) == 2
    np.save(folder / "train.offsets.npy", np.array(offsets, np.int64))
    if offsets == [0, 3, 4]:
        np.save(folder / "train.labels.npy", np.zeros(3, np.uint8))
    with pytest.raises(AnamnesisError, match=r"train.offsets.npy: does not fit"):
        open_documents(folder, "train")


def test_damaged_arrays(make):
    folder, _ = make(kind="characters")
    np.save(folder / "train.offsets.npy", np.zeros(3))
    with pytest.raises(AnamnesisError, match=r"not an array of offsets: allowed: one axis of int64"):
        open_documents(folder, "train")
    (folder / "valid.labels.npy").unlink()
    with pytest.raises(AnamnesisError, match=r"valid.labels.npy: no such file; make it first"):
        open_documents(folder, "valid")
