"""Tables in text files: the csv files that are written, and the tab-separated ones of Orange that are read."""

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from anamnesis.errors import AnamnesisError

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


def orange_rows(lines: Iterable[list[str]], name: str) -> list[dict[str, str]]:
    """The rows of a table in Orange's format: names, types and roles of the columns in three rows, then the data.

    Raises:
        AnamnesisError: a row has another number of columns than the header.
    """
    rows = iter(lines)
    header = next(rows, [])
    next(rows, None), next(rows, None)
    result = []
    for number, row in enumerate(rows, 4):
        if not row:
            continue
        if len(row) != len(header):
            raise AnamnesisError(f"{name}: row {number} has {len(row)} columns, the header {len(header)}")
        result.append(dict(zip(header, row, strict=True)))
    return result
