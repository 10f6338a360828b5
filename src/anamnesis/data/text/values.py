"""Numbers and times in the cells of tables."""

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from anamnesis.errors import AnamnesisError

NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)
# A date written in digits only.
COMPACT = re.compile(r"\d{8}", re.ASCII)
MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)
DATE = re.compile(r"\d{4}-\d{2}(-\d{2}([T ][\d:.+Z-]+)?)?", re.ASCII)


def number(text: str) -> float:
    """The finite number of a cell in decimal digits; NaN if it has none."""
    value = float(text) if NUMBER.fullmatch(text.strip()) else math.nan
    return value if math.isfinite(value) else math.nan


def date(text: str) -> datetime | None:
    """The date of a cell in ISO 8601, with its offset from UTC if it has one; None if it is no date.

    Allowed are 2020-01, 2020-01-31, 20200131, and 2020-01-31 12:00 with seconds and fractions, after a `T` or a space.
    """
    if not (DATE.fullmatch(text) or COMPACT.fullmatch(text)):
        return None
    try:
        return datetime.fromisoformat(f"{text}-01" if MONTH.fullmatch(text) else text)
    except ValueError:
        return None


def dates(cells: Sequence[str], places: Sequence[str], allowed: str) -> list[datetime]:
    """The dates of a column, without the offset from UTC, which all of them share.

    Args:
        cells: one or more, without white space around them.
        places: file and line of each, for errors.
        allowed: what the column may have, for errors.

    Raises:
        AnamnesisError: a cell is no date, or has another offset than the first.
    """
    result = []
    offsets: list[timedelta | None] = []
    for cell, place in zip(cells, places, strict=True):
        moment = date(cell)
        if moment is None:
            raise AnamnesisError(f"{place}: {cell[:40]!r} is not a date; allowed: {allowed}")
        offsets.append(moment.utcoffset())
        if offsets[-1] != offsets[0]:
            raise AnamnesisError(
                f"{place}: {cell[:40]} has another offset from UTC than {cells[0][:40]}; "
                "allowed: one for all dates, or none"
            )
        result.append(moment.replace(tzinfo=None))
    return result


def times(cells: Sequence[str], places: Sequence[str]) -> tuple[list[str], Sequence[Any]]:
    """A column of times in the form of a corpus, and as values to compare.

    Numbers stay as they are. All dates get the form of the most exact one: 2020-01, 2020-01-31, 2020-01-31 12:00 or
    2020-01-31 12:00:30.

    Args:
        cells: the times, all numbers or all dates; eight digits are a date.
        places: file and line of each, for errors.

    Returns:
        The times as text, and as numbers or dates without an offset from UTC.

    Raises:
        AnamnesisError: a cell is neither, a number among dates, or a date with another offset than the first.
    """
    cells = [cell.strip() for cell in cells]
    numbers = [number(cell) for cell in cells]
    if all(map(math.isfinite, numbers)) and not all(map(COMPACT.fullmatch, cells)):
        return cells, numbers
    moments = dates(cells, places, "2020-01, 2020-01-31, 2020-01-31 12:00, or a number in every row")
    if all(map(MONTH.fullmatch, cells)):
        return cells, moments
    if not any(moment.time() != moment.time().min for moment in moments):
        return [moment.date().isoformat() for moment in moments], moments
    if any(moment.microsecond for moment in moments):
        exact = "microseconds"
    else:
        exact = "seconds" if any(moment.second for moment in moments) else "minutes"
    return [moment.isoformat(" ", exact) for moment in moments], moments


def check_order(cells: Sequence[str], places: Sequence[str], moments: Sequence[Any]) -> None:
    """Raise an AnamnesisError at the first time that equals the one before it or is earlier.

    Args:
        cells: the times as text.
        places: file and line of each.
        moments: the times as values to compare.
    """
    for row in range(1, len(cells)):
        if moments[row] <= moments[row - 1]:
            how = "occurs twice" if moments[row] == moments[row - 1] else f"comes after {cells[row - 1][:40]}"
            raise AnamnesisError(f"{places[row]}: {cells[row][:40]} {how}; allowed: each date once, in ascending order")
