"""csv files with known columns, read strictly."""

import csv
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from anamnesis.errors import AnamnesisError

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
FETCH = "fetch the corpus first"


def columns(path: Path, *allowed: Sequence[str]) -> list[str]:
    """The names of a table's columns.

    Raises:
        AnamnesisError: the file is missing or not UTF-8, or has none of the allowed lists of columns.
    """
    _, header = next(_parse(path, len, FETCH))
    _check(path, header, *allowed)
    return header


def rows(
    path: Path, names: Sequence[str], observe: Callable[[bytes], object] = len, missing: str = FETCH
) -> Iterator[list[str]]:
    """The rows of a table below its header.

    Args:
        path: UTF-8, with a header row.
        names: of the columns.
        observe: sees the raw bytes of each line: a digest or a progress bar.
        missing: the end of the error about a missing file: what to do.

    Raises:
        AnamnesisError: the file is missing or not UTF-8, or not a table with these columns.
    """
    parsed = _parse(path, observe, missing)
    _, header = next(parsed)
    _check(path, header, names)
    for line, row in parsed:
        if len(row) != len(names):
            raise AnamnesisError(f"{path}: line {line}: {len(row)} columns; {len(names)} are expected")
        yield row


def read_table(path: Path, names: Sequence[str], advance: Callable[[int], object]) -> tuple[list[list[str]], str]:
    """All rows of a table below its header, and the sha256 of the file. Raises as `rows`.

    Args:
        path: UTF-8, with a header row.
        names: of the columns.
        advance: called with the number of bytes of each line.
    """
    digest = hashlib.sha256()

    def observe(line: bytes) -> None:
        digest.update(line)
        advance(len(line))

    found = list(rows(path, names, observe))
    return found, digest.hexdigest()


def _check(path: Path, header: list[str], *allowed: Sequence[str]) -> None:
    if header not in map(list, allowed):
        lists = "; or ".join(", ".join(names) for names in allowed)
        raise AnamnesisError(f"{path}: found the columns {', '.join(header) or '(none)'}; allowed: {lists}")


def _parse(path: Path, observe: Callable[[bytes], object], missing: str) -> Iterator[tuple[int, list[str]]]:
    """Each row and the number of its last line; the header first, empty where there is none."""

    def lines(file: Any) -> Iterator[str]:
        for line in file:
            observe(line)
            yield line.decode()

    try:
        with open(path, "rb") as file:
            reader = csv.reader(lines(file), strict=True)
            yield 0, next(reader, [])
            for row in reader:
                yield reader.line_num, row
    except FileNotFoundError:
        raise AnamnesisError(f"{path}: no such file; {missing}") from None
    except UnicodeDecodeError:
        raise AnamnesisError(f"{path}: line {reader.line_num + 1}: not UTF-8") from None
    except csv.Error as error:
        raise AnamnesisError(f"{path}: line {reader.line_num}: {error}") from None
