"""Series as they are: values and times of each split."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anamnesis import files
from anamnesis.data.stores import store
from anamnesis.data.stores.store import open_series, read_stats
from anamnesis.errors import AnamnesisError

TABLES = {
    "train": "time,value\n1749-01,58\n1749-02,62.6\n1749-03,-0.1\n",
    "valid": 'time,value\n"a, b",1e3\n',
    "test": "time,value\n7,0\n8,1.0000000000000002\n",
}


@pytest.fixture
def make(tmp_path: Path, entry: Callable[..., Any]) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """Writes tables to files, makes a token store of them, and returns its folder and its counts."""

    def _make(**tables: str) -> tuple[Path, dict[str, Any]]:
        sources = {}
        for split, content in (TABLES | tables).items():
            sources[split] = tmp_path / f"{split}.csv"
            sources[split].write_text(content)
        return tmp_path / "store", store.write(tmp_path / "store", entry(kind="series"), sources)

    return _make


def test_values_and_times_come_back_exactly(make: Callable[..., Any]) -> None:
    folder, stats = make()
    assert stats == read_stats(folder)
    assert (stats["corpus"], stats["kind"]) == ("small", "series")
    expected = {
        "train": (["1749-01", "1749-02", "1749-03"], [58.0, 62.6, -0.1]),
        "valid": (["a, b"], [1000.0]),
        "test": (["7", "8"], [0.0, 1.0000000000000002]),
    }
    for split, (times, values) in expected.items():
        series = open_series(folder, split)
        assert (series.times, series.values.tolist(), len(series)) == (times, values, len(times))
        assert series.values.dtype == np.float64
        assert stats["splits"][split] == {
            "values": len(times),
            "text_sha256": hashlib.sha256(TABLES[split].encode()).hexdigest(),
            "ids_sha256": files.sha256_file(folder / f"{split}.npy"),
        }


@pytest.mark.parametrize("value", ["x", "", "nan", "inf"])
def test_values_are_finite_numbers(make: Callable[..., Any], value: str) -> None:
    with pytest.raises(AnamnesisError, match=r"test\.csv: .*finite number"):
        make(test=f"time,value\n7,{value}\n")
    with pytest.raises(AnamnesisError, match=r"valid\.csv: .*one finite number or more"):
        make(valid="time,value\n")


@pytest.mark.parametrize("kind", ["characters", "images", "word-pairs"])
def test_a_series_is_made_into_nothing_else(
    make: Callable[..., Any], tmp_path: Path, entry: Callable[..., Any], kind: str
) -> None:
    make()
    sources = {split: tmp_path / f"{split}.csv" for split in store.SPLITS}
    with pytest.raises(AnamnesisError) as caught:
        store.write(tmp_path / "other", entry(kind=kind), sources)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "other").exists()


def test_a_store_whose_files_do_not_fit_is_refused(make: Callable[..., Any]) -> None:
    folder, _ = make()
    np.save(folder / "train.npy", np.zeros(2))
    with pytest.raises(AnamnesisError, match=r"train\.csv: does not fit train\.npy"):
        open_series(folder, "train")
    np.save(folder / "train.npy", np.zeros(3, np.float32))
    with pytest.raises(AnamnesisError, match=r"train\.npy: not an array of values: allowed: one axis of float64"):
        open_series(folder, "train")
    (folder / "test.csv").unlink()
    with pytest.raises(AnamnesisError, match=r"test\.csv: no such file; make it first: dvc repro tokenize@"):
        open_series(folder, "test")
