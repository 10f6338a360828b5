"""A series of numbers in the order of time: the values of each split, and the time of each.

train.npy    58.0 62.6 70.0 ...           (values,), float64
train.csv    1749-01 1749-02 1749-03 ...  the column `time` of the same values
"""

import csv
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anamnesis import files
from anamnesis.data.stores import arrays, tables
from anamnesis.data.tokenizers import settings
from anamnesis.errors import AnamnesisError

COLUMNS = ("time", "value")


@dataclass(frozen=True, eq=False)
class Series:
    """The values of a split, in the order of time.

    Attributes:
        times: the time of each value, as text.
        values: in the units of the data: float64, shape (values,).
    """

    times: list[str]
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)


def open_series(folder: Path, split: str) -> Series:
    """The values of a split of a token store.

    Raises:
        AnamnesisError: a file is missing or damaged, or the two do not fit.
    """
    values = arrays.open_array(folder / f"{split}.npy", "values", (np.float64,))
    missing = f"make it first: dvc repro tokenize@{folder.name}"
    times = [row[0] for row in tables.rows(folder / f"{split}.csv", COLUMNS[:1], missing=missing)]
    if len(times) != len(values):
        raise AnamnesisError(f"{folder / split}.csv: does not fit {split}.npy; make the store anew")
    return Series(times, np.asarray(values))


def write(
    folder: Path, entry: settings.SeriesTokens, sources: dict[str, Path], advance: Callable[[int], object]
) -> dict[str, Any]:
    """Write the values of every split, as `store.write` says.

    Returns:
        The content of stats.json.

    Raises:
        AnamnesisError: a table has other columns than time and value, a value is no number, or there are no rows.
    """
    stats: dict[str, Any] = {"corpus": entry.corpus, "kind": entry.kind, "splits": {}}
    for split, path in sources.items():
        rows, digest = tables.read_table(path, COLUMNS, advance)
        values = np.array([_number(value) for _, value in rows])
        if not len(values) or not np.isfinite(values).all():
            raise AnamnesisError(f"{path}: allowed: one finite number or more")
        np.save(folder / f"{split}.npy", values)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS[:1], *([time] for time, _ in rows)])
        files.write_text(folder / f"{split}.csv", text.getvalue())
        stats["splits"][split] = {
            "values": len(values),
            "text_sha256": digest,
            "ids_sha256": files.sha256_file(folder / f"{split}.npy"),
        }
    return stats


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
