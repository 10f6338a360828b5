"""Stores of images: the pixels and digits of a table, and tables that are refused."""

import csv

import numpy as np
import pytest
from sklearn.datasets import load_digits

from anamnesis.data.stores import store
from anamnesis.data.stores.images import COLUMNS
from anamnesis.data.tokenizers.settings import Characters, ImageTokens
from anamnesis.errors import AnamnesisError
from anamnesis.stages.tokenize import summary

ENTRY = ImageTokens(kind="images", corpus="digits")
SPLITS = {"train": slice(0, 30), "valid": slice(30, 40), "test": slice(40, 57)}


def table(path, rows, header=COLUMNS):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def sources(tmp_path):
    pixels, digits = load_digits(return_X_y=True)
    rows = np.column_stack([pixels, digits]).astype(int).tolist()
    return {split: table(tmp_path / f"{split}.csv", rows[part]) for split, part in SPLITS.items()}


def test_images_come_back_as_they_are(sources, tmp_path):
    stats = store.write(tmp_path / "store", ENTRY, sources)
    truth = load_digits()
    for split, part in SPLITS.items():
        found = store.open_images(tmp_path / "store", split)
        assert np.array_equal(found.pixels, truth.images[part])
        assert np.array_equal(found.labels, truth.target[part])
        assert found.pixels.dtype == np.uint8
    assert summary(stats) == "30 + 10 + 17 images"
    assert stats == store.read_stats(tmp_path / "store")
    assert len({stats["splits"][split]["text_sha256"] for split in SPLITS}) == 3


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the table has no images"),
        ([[17] + [0] * 63 + [3]], "pixels from 0 to 16, and a digit"),
        ([[-1] + [0] * 63 + [3]], "pixels from 0 to 16, and a digit"),
        ([["x"] + [0] * 63 + [3]], "pixels from 0 to 16, and a digit"),
        ([[0] * 64 + [10]], "pixels from 0 to 16, and a digit"),
        ([[0] * 64], "64 columns; 65 are expected"),
    ],
)
def test_tables_of_something_else_are_refused(rows, message, sources, tmp_path):
    table(sources["valid"], rows)
    with pytest.raises(AnamnesisError, match=message):
        store.write(tmp_path / "store", ENTRY, sources)
    assert not (tmp_path / "store").exists()


def test_kinds_and_tables_must_fit(sources, tmp_path):
    with pytest.raises(AnamnesisError, match="a table of images: found kind 'characters'; allowed: images"):
        store.write(tmp_path / "store", Characters(kind="characters", corpus="digits"), sources)


def test_damaged_stores_are_refused(sources, tmp_path):
    folder = tmp_path / "store"
    store.write(folder, ENTRY, sources)
    np.save(folder / "test.labels.npy", np.zeros(3, np.uint8))
    with pytest.raises(AnamnesisError, match="does not fit"):
        store.open_images(folder, "test")
    np.save(folder / "valid.labels.npy", np.full(10, 11, np.uint8))
    with pytest.raises(AnamnesisError, match="does not fit"):
        store.open_images(folder, "valid")
    (folder / "train.npy").unlink()
    with pytest.raises(AnamnesisError, match=r"train\.npy: no such file"):
        store.open_images(folder, "train")
