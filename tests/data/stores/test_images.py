"""Stores of images: the pixels and digits of a table come back."""

import numpy as np
from sklearn.datasets import load_digits

from anamnesis.data.stores import store
from anamnesis.data.stores.images import COLUMNS
from anamnesis.stages.tokenize import summary

SPLITS = {"train": slice(0, 30), "valid": slice(30, 40), "test": slice(40, 57)}


def test_images_come_back_as_they_are(write_tables):
    truth = load_digits()
    rows = np.column_stack([truth.data, truth.target]).astype(int).tolist()
    folder, stats = write_tables(COLUMNS, {split: rows[part] for split, part in SPLITS.items()}, kind="images")
    for split, part in SPLITS.items():
        found = store.open_images(folder, split)
        assert np.array_equal(found.pixels, truth.images[part])
        assert np.array_equal(found.labels, truth.target[part])
        assert found.pixels.dtype == np.uint8
    assert summary(stats) == "30 + 10 + 17 images"
    assert stats == store.read_stats(folder)
    assert len({stats["splits"][split]["text_sha256"] for split in SPLITS}) == 3
