"""Tables in text files: reads csv, tsv and Orange's tab-separated files, writes csv."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from anamnesis.errors import AnamnesisError

# Columns that an error lists.
LISTED = 12

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write a csv file with a header row and LF line ends. Returns the number of rows."""
    number = 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(row)
            number += 1
    return number


def parse_table(content: str, name: str, delimiter: str = ",") -> Iterator[tuple[str, list[str]]]:
    """The rows of a table, [] for a blank line, each with its place: the name of the file and the row's last line.

    Only LF ends a line: other characters that may count as line ends, such as U+2028, are part of a cell.

    Raises:
        AnamnesisError: the csv module cannot read a row.
    """
    reader = csv.reader(io.StringIO(content, newline="\n"), delimiter=delimiter)
    try:
        for row in reader:
            yield f"{name}: line {reader.line_num}", row
    except csv.Error as error:
        raise AnamnesisError(f"{name}: line {reader.line_num}: {error}") from None


def check_columns(header: Sequence[str], columns: Iterable[str], name: str) -> None:
    """Raise an AnamnesisError where one of `columns` is missing in the header, or occurs more than once."""
    for column in columns:
        if column not in header:
            # Escaped and shortened: the header of a damaged file may be any text.
            there = [repr(each[:40])[1:-1] for each in header[:LISTED]] + ["..."] * (len(header) > LISTED)
            raise AnamnesisError(f"{name}: no column {column!r}; there are {', '.join(there) or 'none'}")
        if header.count(column) > 1:
            raise AnamnesisError(f"{name}: {header.count(column)} columns are named {column!r}; allowed: one")


def read_orange(content: str, name: str, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a table in Orange's format: three rows with names, types and roles of the columns, then the data.

    Raises:
        AnamnesisError: a column is missing, or a row has another number of cells than the header.
    """
    rows = parse_table(content, name, "\t")
    _, header = next(rows, ("", []))
    check_columns(header, columns, name)
    next(rows, None), next(rows, None)
    return [name_cells(header, row, place) for place, row in rows if row]


def name_cells(header: list[str], row: list[str], place: str) -> dict[str, str]:
    """The cells of a row by column name. Raises AnamnesisError where their number differs from the header's."""
    if len(row) != len(header):
        raise AnamnesisError(f"{place}: {len(row)} columns; {len(header)} are expected")
    return dict(zip(header, row, strict=True))
