"""Stores of tables: labelled documents as ids, images, and series."""

import hashlib
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from anamnesis import files
from anamnesis.data.stores.images import COLUMNS
from anamnesis.data.stores.store import open_documents, open_images, open_series, read_stats
from anamnesis.data.tokenizers import tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.stages.tokenize import summary

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


@pytest.fixture
def make(write_tables):
    """A function that writes a token store of labelled documents and returns its folder and its counts."""

    def _make(train: Rows = TRAIN, valid: Rows = VALID, test: Rows = TEST, **values: Any) -> Any:
        return write_tables(("label", "text"), {"train": train, "valid": valid, "test": test}, **values)

    return _make


@pytest.mark.parametrize("values", KINDS, ids=str)
def test_each_document_is_encoded_by_itself(make, values):
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
            if split == "train" and learned.kind != "words":
                assert documents.text(number, learned) == content
            around = (learned.start_id, learned.end_id)
            expected = [i for i in learned.encode(content).tolist() if i not in around or learned.kind != "words"]
            assert documents[number].tolist() == expected
        assert np.concatenate([documents[number] for number in range(len(rows))]).tolist() == documents.ids.tolist()
        with pytest.raises(IndexError):
            documents[len(rows)]
        counts = stats["splits"][split]
        assert counts["tokens"] == len(documents.ids)
        assert counts["characters"] == sum(len(content) for _, content in rows)
        unknown = 0 if learned.unknown_id is None else np.count_nonzero(documents.ids == learned.unknown_id)
        assert counts["unknown_tokens"] == unknown
        assert counts["ids_sha256"] == hashlib.sha256((folder / f"{split}.npy").read_bytes()).hexdigest()
        table = folder.parent / f"{split}.csv"
        assert counts["text_sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()


def test_nothing_is_learned_across_documents(make):
    rows = [("a", "xy"), ("b", "zx"), ("a", "y")] * 50
    folder, _ = make(rows, rows, rows, kind="subwords", size=300)
    tokens = set(tokenizer.load(folder / "tokenizer.json").tokens)
    assert {"xy", "zx"} <= tokens
    assert not {"yz", "xyzx", "yzx"} & tokens
    # A sentence and a word end where their document ends.
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


IMAGES = {"train": slice(0, 30), "valid": slice(30, 40), "test": slice(40, 57)}


def test_images_come_back_as_they_are(write_tables):
    truth = load_digits()
    rows = np.column_stack([truth.data, truth.target]).astype(int).tolist()
    folder, stats = write_tables(COLUMNS, {split: rows[part] for split, part in IMAGES.items()}, kind="images")
    for split, part in IMAGES.items():
        found = open_images(folder, split)
        assert np.array_equal(found.pixels, truth.images[part])
        assert np.array_equal(found.labels, truth.target[part])
        assert found.pixels.dtype == np.uint8
    assert summary(stats) == "30 + 10 + 17 images"
    assert stats == read_stats(folder)
    assert len({stats["splits"][split]["text_sha256"] for split in IMAGES}) == 3


SERIES = {
    "train": [("1749-01", 58.0), ("1749-02", 62.6), ("1749-03", -0.1)],
    "valid": [("a, b", 1000.0)],
    "test": [("7", 0.0), ("8", 1.0000000000000002)],
}


def test_values_and_times_come_back_exactly(write_tables):
    folder, stats = write_tables(("time", "value"), SERIES, kind="series")
    assert stats == read_stats(folder)
    assert (stats["corpus"], stats["kind"]) == ("small", "series")
    for split, rows in SERIES.items():
        series = open_series(folder, split)
        assert list(zip(series.times, series.values.tolist(), strict=True)) == rows
        assert series.values.dtype == np.float64
        assert stats["splits"][split] == {
            "values": len(rows),
            "text_sha256": files.sha256_file(folder.parent / f"{split}.csv"),
            "ids_sha256": files.sha256_file(folder / f"{split}.npy"),
        }
