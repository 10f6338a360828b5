"""A user's series from a CSV file: which columns it is in, whether its dates are regular, and missing values."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.text.values import COMPACT, DATE, check_order, number
from anamnesis.data.text.values import dates as read_dates
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting.model.examples import Values

if TYPE_CHECKING:
    import pandas as pd

Fill = Literal["refuse", "interpolate"]
# The least median distance of two dates in days, and the period that it implies: its code in pandas and its name.
PERIODS: tuple[tuple[float, str, str], ...] = (
    (360, "Y", "years"),
    (85, "Q", "quarters"),
    (27, "M", "months"),
    (6.5, "W", "weeks"),
    (0.9, "D", "days"),
    (0.9 / 24, "h", "hours"),
    (0.9 / 1440, "min", "minutes"),
    (0, "s", "seconds"),
)
ALLOWED = "2020-01, 2020-01-31, 2020-01-31 12:00, or whole numbers"
# Missing dates that an error lists.
LISTED = 3


@dataclass(frozen=True, eq=False)
class Observed:
    """A series without gaps.

    Attributes:
        values: (values,), at equal distances in the order of time.
        date: index -> date, also beyond the last value; as in the file, where its dates are regular.
        filled: the number of missing values that were interpolated.
        name: the column with the values.
    """

    values: Values
    date: Callable[[int], str]
    filled: int
    name: str


@dataclass(frozen=True, eq=False)
class Calendar:
    """The periods, such as months, of dates.

    Attributes:
        places: the period of each date, counted from any start, (dates,), int64.
        label: place -> date.
        unit: the name of the periods, a plural.
    """

    places: NDArray[np.int64]
    label: Callable[[int], str]
    unit: str


def read(path: Path, date: str | None = None, value: str | None = None, fill: Fill = "refuse") -> Observed:
    """The series in a CSV file with a header row.

    Dates are in the formats of ISO 8601 (2020-01, 2020-01-31, 2020-01-31 12:00) or whole numbers, in ascending order.
    Their median distance implies whether the values are yearly, quarterly, monthly and so on.

    Args:
        path: UTF-8, columns separated by commas.
        date: the column with the dates; None: the only one that holds dates.
        value: the column with the numbers; None: the only one that holds numbers.
        fill: whether missing dates and values are refused or interpolated on a straight line between the neighbours.

    Raises:
        AnamnesisError: the file is no such table, or a cell does not hold what it must; the message names the line.
    """
    table = _table(path)
    date, value = _columns(path, table, date, value)
    lines = [int(index) + 2 for index in table.index]
    dates = [str(cell).strip() for cell in table[date]]
    calendar = _calendar(path, lines, dates)
    values = _values(path, lines, [str(cell).strip() for cell in table[value]])
    steps = np.diff(calendar.places)
    if (steps < 1).any():
        row = int(np.argmax(steps < 1)) + 1
        raise AnamnesisError(
            f"{path}: line {lines[row]}: {dates[row]} is too near to {dates[row - 1]}: dates are {calendar.unit} apart"
        )
    known = np.isfinite(values)
    for row, place in ((0, "first"), (-1, "last")):
        if not known[row]:
            raise AnamnesisError(f"{path}: line {lines[row]}: the {place} date has no value; remove the line")
    places = calendar.places - calendar.places[0]
    missing = int(places[-1]) + 1 - int(known.sum())
    if missing:
        _check_missing(path, calendar, known, missing, fill)
        values = np.interp(np.arange(places[-1] + 1), places[known], values[known])
    first = int(calendar.places[0])
    return Observed(values, lambda index: calendar.label(first + index), missing, value)


def _table(path: Path) -> "pd.DataFrame":
    """The cells of a file as text; the index counts lines from 0 below the header."""
    import pandas as pd

    _check_separator(path)
    try:
        with warnings.catch_warnings():
            # pandas would leave out the end of a row that is longer than the header.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path, dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False, encoding="utf-8-sig"
            ).fillna("")
    except OSError as error:
        raise AnamnesisError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise AnamnesisError(f"{path}: found bytes that are not UTF-8; allowed: a CSV file in UTF-8") from None
    except pd.errors.EmptyDataError:
        raise AnamnesisError(f"{path}: the file is empty; allowed: a CSV file with a header row") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise AnamnesisError(f"{path}: not a table with the same columns on every line: {reason}") from None
    table.columns = [str(name).strip() for name in table.columns]
    table = table[(table != "").any(axis=1)]
    if not len(table):
        raise AnamnesisError(f"{path}: there are no rows below the header")
    return table


def _check_separator(path: Path) -> None:
    """Refuse a file whose columns are separated by another mark than a comma, as some spreadsheets write them.

    Raises:
        AnamnesisError: the header holds semicolons or tabs, and no comma.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            header = file.readline(10_000)
    # `_table` states what is wrong with such a file.
    except (OSError, UnicodeDecodeError):
        return
    for mark, name in ((";", "';'"), ("\t", "a tab")):
        if mark in header and "," not in header:
            raise AnamnesisError(
                f"{path}: columns are separated by {name}; allowed: ',' between columns, '.' before decimals, "
                f"and dates such as {ALLOWED}"
            )


def _columns(path: Path, table: "pd.DataFrame", date: str | None, value: str | None) -> tuple[str, str]:
    """The names of the two columns."""
    names = list(table.columns)
    listed = ", ".join(names)
    for option, name in (("--date", date), ("--value", value)):
        if name is not None and name not in names:
            raise AnamnesisError(f"{option}: {path} has no column {name!r}; there are {listed}")
    if date is None:
        date = _only(
            path,
            "--date",
            "dates",
            [name for name in names if name != value and _mostly(table[name], _is_date)],
            listed,
        )
    if value is None:
        numeric = [name for name in names if name != date and _mostly(table[name], _is_number)]
        value = _only(path, "--value", "numbers", numeric, listed)
    if date == value:
        raise AnamnesisError(f"--value: found {value!r}, which is the column with the dates; there are {listed}")
    return date, value


def _only(path: Path, option: str, what: str, found: list[str], listed: str) -> str:
    if len(found) == 1:
        return found[0]
    number = "no column holds" if not found else "several columns hold"
    raise AnamnesisError(f"{path}: {number} {what}; say which with {option}: the columns are {listed}")


def _mostly(cells: Any, fits: Callable[[str], bool]) -> bool:
    """Whether most cells that are not empty fit; a single wrong cell is an error later on."""
    filled = [text for cell in cells if (text := str(cell).strip())]
    return sum(map(fits, filled)) * 2 > len(filled)


def _is_date(text: str) -> bool:
    return DATE.fullmatch(text) is not None


def _is_number(text: str) -> bool:
    return bool(np.isfinite(number(text)))


def _values(path: Path, lines: list[int], cells: list[str]) -> Values:
    """Numbers (cells,), NaN for empty ones."""
    values = np.array([number(cell) for cell in cells])
    for line, cell, value in zip(lines, cells, values, strict=True):
        if cell and not np.isfinite(value):
            raise AnamnesisError(f"{path}: line {line}: {cell[:40]!r} is not a number")
    return values


def _calendar(path: Path, lines: list[int], cells: list[str]) -> Calendar:
    """The places of dates in ascending order."""
    if len(cells) < 2:
        raise AnamnesisError(
            f"{path}: found {len(cells)} row; allowed: 2 or more, because their distance implies the period"
        )
    if all(cell.removeprefix("-").isdecimal() and not COMPACT.fullmatch(cell) for cell in cells):
        return _count_steps(path, lines, cells)
    import pandas as pd

    places = [f"{path}: line {line}" for line in lines]
    moments = read_dates(cells, places, ALLOWED)
    check_order(cells, places, moments)
    times = pd.Series(moments)
    usual = float(np.median((times.diff().dt.total_seconds() / 86400).to_numpy()[1:]))
    code, unit = next((code, unit) for least, code, unit in PERIODS if usual >= least)
    if code == "W":
        # Weeks end on the weekday of the file's first date, so that later dates have the same weekday.
        code = f"W-{times.iloc[0].day_name()[:3].upper()}"
    periods = np.array([period.ordinal for period in times.dt.to_period(code)], np.int64)
    day = times.iloc[0].to_datetime64().astype("datetime64[D]")

    def label(place: int) -> str:
        if unit == "weeks":
            return str(day + 7 * (place - int(periods[0])))
        return str(pd.Period(ordinal=place, freq=code))

    return Calendar(periods, label, unit)


def _count_steps(path: Path, lines: list[int], cells: list[str]) -> Calendar:
    """The places of dates that are whole numbers, such as years."""
    if max(map(len, cells)) > 15:
        raise AnamnesisError(f"{path}: found dates of more than 15 digits; allowed: {ALLOWED}")
    numbers = np.array([int(cell) for cell in cells])
    steps = np.diff(numbers)
    check_order(cells, [f"{path}: line {line}" for line in lines], numbers.tolist())
    step = int(np.median(steps))
    odd = steps % step != 0
    if odd.any():
        row = int(np.argmax(odd)) + 1
        raise AnamnesisError(
            f"{path}: line {lines[row]}: {cells[row]} comes {steps[row - 1]} after {cells[row - 1]}; usual are {step}"
        )
    return Calendar((numbers - numbers[0]) // step, lambda place: str(int(numbers[0]) + place * step), "dates")


def _check_missing(path: Path, calendar: Calendar, known: NDArray[np.bool_], missing: int, fill: Fill) -> None:
    """Refuse missing values that may not be filled; the message lists the first of them."""
    places = calendar.places[known]
    listed: list[int] = []
    for before, after in zip(places[:-1].tolist(), places[1:].tolist(), strict=True):
        listed += range(before + 1, min(after, before + 1 + LISTED))
        if len(listed) >= LISTED:
            break
    found = f"{missing:,} of {missing + len(places):,} {calendar.unit} have no value: "
    found += ", ".join(map(calendar.label, listed[:LISTED])) + (", ..." if missing > LISTED else "")
    if fill == "refuse":
        raise AnamnesisError(
            f"{path}: {found}; --fill interpolate puts them on straight lines between their neighbours"
        )
    if missing > len(places):
        raise AnamnesisError(f"{path}: {found}; allowed: at most as many as there are values")
