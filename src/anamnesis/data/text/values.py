"""Cells of tables as the numbers and times they say."""

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
    """The finite number that a cell says in decimal figures, NaN where it says none."""
    value = float(text) if NUMBER.fullmatch(text.strip()) else math.nan
    return value if math.isfinite(value) else math.nan


def date(text: str) -> datetime | None:
    """The date of a cell as ISO 8601 writes it, with its offset from UTC if it has one; None where it is no date.

    2020-01, 2020-01-31, 20200131, and 2020-01-31 12:00 or more exactly, with a `T` or a blank before the time.
    """
    if not (DATE.fullmatch(text) or COMPACT.fullmatch(text)):
        return None
    try:
        return datetime.fromisoformat(f"{text}-01" if MONTH.fullmatch(text) else text)
    except ValueError:
        return None


def dates(cells: Sequence[str], places: Sequence[str], allowed: str) -> list[datetime]:
    """The dates of a column, in local time: an offset from UTC that all of them have is left out.

    Args:
        cells: without white space around them, one or more.
        places: the file and line of each, for errors.
        allowed: what else may be in the column, for errors.

    Raises:
        AnamnesisError: a cell is no date, or has another offset than the first.
    """
    result = []
    offsets: list[timedelta | None] = []
    for cell, place in zip(cells, places, strict=True):
        found = date(cell)
        if found is None:
            raise AnamnesisError(f"{place}: {cell[:40]!r} is not a date; allowed: {allowed}")
        offsets.append(found.utcoffset())
        if offsets[-1] != offsets[0]:
            raise AnamnesisError(
                f"{place}: {cell[:40]} has another offset from UTC than {cells[0][:40]}; "
                "allowed: one for all dates, or none"
            )
        result.append(found.replace(tzinfo=None))
    return result


def times(cells: Sequence[str], places: Sequence[str]) -> tuple[list[str], Sequence[Any]]:
    """A column of times in the form in which a corpus keeps them, and what they are compared by.

    Numbers stay as they are. Of dates, all get the same form, as exact as the most exact of them: 2020-01, 2020-01-31,
    2020-01-31 12:00 or 2020-01-31 12:00:30.

    Args:
        cells: the times, all numbers or all dates; eight figures are a date.
        places: the file and line of each, for errors.

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
    """Raise an AnamnesisError that names the first time which is there twice or comes before the one above it.

    Args:
        cells: the times as they are written.
        places: the file and line of each.
        moments: what the times are compared by.
    """
    for row in range(1, len(cells)):
        if moments[row] <= moments[row - 1]:
            how = "is there twice" if moments[row] == moments[row - 1] else f"comes after {cells[row - 1][:40]}"
            raise AnamnesisError(f"{places[row]}: {cells[row][:40]} {how}; allowed: each date once, in ascending order")
