"""Tables in text files: the csv files that are written, and the tab-separated ones of Orange that are read."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from anamnesis.errors import AnamnesisError

# Columns that an error names.
LISTED = 12

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write a csv file with a header row and LF line ends. Returns the number of rows."""
    number = 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(row)
            number += 1
    return number


def parse(content: str, name: str, delimiter: str = ",") -> Iterator[tuple[str, list[str]]]:
    """The rows of a table, each after the name of the file and the row's last line, for errors; of a blank line, [].

    Lines end with LF alone: whatever else may be taken for the end of a line, such as U+2028, is part of a cell.

    Raises:
        AnamnesisError: the csv module cannot read a row.
    """
    reader = csv.reader(io.StringIO(content, newline="\n"), delimiter=delimiter)
    try:
        for row in reader:
            yield f"{name}: line {reader.line_num}", row
    except csv.Error as error:
        raise AnamnesisError(f"{name}: line {reader.line_num}: {error}") from None


def check_columns(header: Sequence[str], wanted: Iterable[str], name: str) -> None:
    """Raise an AnamnesisError where a column wanted is not in the header, or several have its name."""
    for column in wanted:
        if column not in header:
            # Escaped and cut: a damaged header may be any text.
            there = [repr(each[:40])[1:-1] for each in header[:LISTED]] + ["..."] * (len(header) > LISTED)
            raise AnamnesisError(f"{name}: no column {column!r}; there are {', '.join(there) or 'none'}")
        if header.count(column) > 1:
            raise AnamnesisError(f"{name}: {header.count(column)} columns are named {column!r}; allowed: one")


def orange_rows(content: str, name: str, wanted: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a table in Orange's format: names, types and roles of the columns in three rows, then the data.

    Raises:
        AnamnesisError: a column wanted is not there, or a row has another number of columns than the header.
    """
    rows = parse(content, name, "\t")
    _, header = next(rows, ("", []))
    check_columns(header, wanted, name)
    next(rows, None), next(rows, None)
    return [record(header, row, place) for place, row in rows if row]


def record(header: list[str], row: list[str], place: str) -> dict[str, str]:
    """A row as a mapping of the header's names. Raises AnamnesisError where it has another number of columns."""
    if len(row) != len(header):
        raise AnamnesisError(f"{place}: {len(row)} columns; {len(header)} are expected")
    return dict(zip(header, row, strict=True))
