"""Series of numbers in the order of time."""

import csv
import math
from pathlib import Path
from typing import Any

from anamnesis.corpora import tables, text
from anamnesis.corpora.settings import Series, SplitName
from anamnesis.corpora.sources import Part
from anamnesis.corpora.splits import NAMES, contiguous
from anamnesis.errors import AnamnesisError

Row = tuple[str, str]


def read(corpus: Series, parts: list[Part], folder: Path) -> dict[str, Any]:
    """Write `train.csv`, `valid.csv` and `test.csv` with the columns `time` and `value`, in the order of the source.

    Splits that the source names stay as they are; one that it does not name is cut from the end of train.

    Returns:
        The rows of each split.

    Raises:
        AnamnesisError: a column is not there, a value is no number, there are too few rows, or a split would be empty.
    """
    given: dict[SplitName, list[Row]] = {}
    for part in parts:
        given.setdefault(part.split or "train", []).extend(_rows(part, corpus))
    train = given.get("train", [])[: corpus.limit]
    if len(train) < corpus.minimum:
        raise AnamnesisError(f"{parts[0].name}: only {len(train):,} rows; at least {corpus.minimum:,} are needed")
    if set(given) != set(NAMES):
        if set(given) != {"train"}:
            raise AnamnesisError("a series takes one file, or all of train, valid and test")
        given = contiguous(train, [1] * len(train), corpus.split, "rows")
    else:
        given["train"] = train
    for name in NAMES:
        if not given[name]:
            raise AnamnesisError(f"the {name} split would be empty")
    return {name: {"rows": tables.write(folder / f"{name}.csv", ("time", "value"), given[name])} for name in NAMES}


def _rows(part: Part, corpus: Series) -> list[Row]:
    lines = csv.reader(text.whole(part).splitlines())
    header = next(lines, [])
    for column in (corpus.time, corpus.value):
        if column not in header:
            raise AnamnesisError(f"{part.name}: no column {column!r}; there are {', '.join(header) or 'none'}")
    time, value = header.index(corpus.time), header.index(corpus.value)
    result = []
    for row in lines:
        if not row:
            continue
        place = f"{part.name}: line {lines.line_num}"
        if len(row) != len(header):
            raise AnamnesisError(f"{place}: {len(row)} columns, the header has {len(header)}")
        if not _finite(row[value]):
            raise AnamnesisError(f"{place}: {row[value]!r} is not a number")
        when = row[time]
        if corpus.calendar == "decimal-year":
            if not _finite(when):
                raise AnamnesisError(f"{place}: {when!r} is not a year with decimals")
            when = month(float(when))
        result.append((when, row[value]))
    return result


def month(year: float) -> str:
    """The month a year with decimals falls in: 1749.0833 (1749 + 1/12) is 1749-02."""
    months = round(year * 12)
    return f"{months // 12:04d}-{months % 12 + 1:02d}"


def _finite(number: str) -> bool:
    try:
        return math.isfinite(float(number))
    except ValueError:
        return False
