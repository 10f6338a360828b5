"""Stores of series: the values and times of each split come back."""

import numpy as np

from anamnesis import files
from anamnesis.data.stores.store import open_series, read_stats

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
