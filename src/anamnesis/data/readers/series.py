"""Series of numbers in the order of time."""

import math
from pathlib import Path
from typing import Any

from anamnesis.data.readers import tables, text, values
from anamnesis.data.readers.splits import NAMES, contiguous
from anamnesis.data.settings import Series, SplitName
from anamnesis.data.sources.sources import Part
from anamnesis.errors import AnamnesisError

# Years that dates can have; rounded to months, none is beyond them.
FIRST, LAST = 1, 9999
# The file and line, the time and the value.
Row = tuple[str, str, str]


def read(corpus: Series, parts: list[Part], folder: Path) -> dict[str, Any]:
    """Write `train.csv`, `valid.csv` and `test.csv` with the columns `time` and `value`, in the order of the source.

    Splits that the source names stay as they are; one that it does not name is cut from the end of train. All times
    get the same form (`values.times`).

    Returns:
        The rows of each split.

    Raises:
        AnamnesisError: a column is not there, a value is no number, a time is neither number nor date, is there twice
            or comes before the one above it, there are too few rows, or a split would be empty.
    """
    given: dict[SplitName, list[Row]] = {}
    for part in parts:
        given.setdefault(part.split or "train", []).extend(_rows(part, corpus))
    given["train"] = given.get("train", [])[: corpus.limit]
    if len(given["train"]) < corpus.minimum:
        raise AnamnesisError(
            f"{parts[0].name}: only {len(given['train']):,} rows; at least {corpus.minimum:,} are needed"
        )
    if set(given) not in ({"train"}, set(NAMES)):
        raise AnamnesisError("a series takes one file, or all of train, valid and test")
    splits = _with_equal_times(given)
    if set(given) == {"train"}:
        splits = contiguous(splits["train"], [1] * len(splits["train"]), corpus.split, "rows")
    for name in NAMES:
        if not splits[name]:
            raise AnamnesisError(f"the {name} split would be empty")
    return {name: {"rows": tables.write(folder / f"{name}.csv", ("time", "value"), splits[name])} for name in NAMES}


def _with_equal_times(given: dict[SplitName, list[Row]]) -> dict[SplitName, list[tuple[str, str]]]:
    """Time and value of each row: all times in one form, ascending in each split, none in two splits."""
    rows = [row for found in given.values() for row in found]
    written, moments = values.times([time for _, time, _ in rows], [place for place, _, _ in rows])
    result: dict[SplitName, list[tuple[str, str]]] = {}
    known: set[Any] = set()
    start = 0
    for name, found in given.items():
        here = slice(start, start + len(found))
        places = [place for place, _, _ in found]
        values.check_order(written[here], places, moments[here])
        for place, time, moment in zip(places, written[here], moments[here], strict=True):
            if moment in known:
                raise AnamnesisError(f"{place}: {time[:40]} is in another split, too; allowed: each date once")
        known.update(moments[here])
        result[name] = [(time, value) for time, (_, _, value) in zip(written[here], found, strict=True)]
        start = here.stop
    return result


def _rows(part: Part, corpus: Series) -> list[Row]:
    lines = tables.parse(text.whole(part), part.name)
    _, header = next(lines, ("", []))
    tables.check_columns(header, (corpus.time, corpus.value), part.name)
    result = []
    for place, row in lines:
        if not row:
            continue
        cells = tables.record(header, row, place)
        value, time = cells[corpus.value], cells[corpus.time]
        if not math.isfinite(values.number(value)):
            raise AnamnesisError(f"{place}: {value[:40]!r} is not a number")
        if corpus.calendar == "decimal-year":
            year = values.number(time)
            if not FIRST <= year <= LAST:
                raise AnamnesisError(f"{place}: {time[:40]!r} is not a year with decimals from {FIRST} to {LAST}")
            time = month(year)
        result.append((place, time, value))
    return result


def month(year: float) -> str:
    """The month a year with decimals falls in: 1749.0833 (1749 + 1/12) is 1749-02."""
    months = round(year * 12)
    return f"{months // 12:04d}-{months % 12 + 1:02d}"
