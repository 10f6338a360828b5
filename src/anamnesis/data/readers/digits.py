"""Handwritten digits as rows of numbers."""

import re
from pathlib import Path
from typing import Any

from anamnesis.data.readers import tables
from anamnesis.data.readers.splits import NAMES, fill
from anamnesis.data.settings import Digits, SplitName
from anamnesis.data.sources import archives
from anamnesis.data.sources.sources import Part
from anamnesis.errors import AnamnesisError

PIXELS = 64
DARKEST = 16
SMALL = re.compile(r"\d{1,2}", re.ASCII)
HEADER = [*(f"pixel_{index}" for index in range(PIXELS)), "digit"]

Row = tuple[int, ...]


def read(corpus: Digits, parts: list[Part], folder: Path) -> dict[str, Any]:
    """Write `train.csv`, `valid.csv` and `test.csv` with the columns `pixel_0` to `pixel_63` and `digit`.

    Pixel 8r + c is row r, column c, from 0 (white) to 16. Equal images go to the same split; each digit is split
    in the same proportion.

    Returns:
        The rows of each split.

    Raises:
        AnamnesisError: a row is not 64 pixels and a digit, there are too few rows, or a split would be empty.
    """
    given: dict[SplitName, list[Row]] = {}
    for part in parts:
        given.setdefault(part.split or "train", []).extend(_rows(part))
    given = {name: rows[: corpus.limit] for name, rows in given.items()}
    total = sum(map(len, given.values()))
    if total < corpus.minimum:
        raise AnamnesisError(f"{parts[0].name}: only {total:,} images; at least {corpus.minimum:,} are needed")
    result, _ = fill(given, corpus.split, "images", keys=lambda row: [row[:PIXELS]], stratum=lambda row: row[PIXELS])
    return {name: {"rows": tables.write(folder / f"{name}.csv", HEADER, result[name])} for name in NAMES}


def _rows(part: Part) -> list[Row]:
    data = part.path.read_bytes()
    if part.name.endswith(".gz"):
        data = archives.unzipped(data, part.name)
    result = []
    content = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    for place, row in tables.parse(content, part.name):
        found = tuple(int(cell) if SMALL.fullmatch(cell) else -1 for cell in row)
        if len(found) != PIXELS + 1 or not all(0 <= value <= DARKEST for value in found) or found[PIXELS] > 9:
            raise AnamnesisError(f"{place}: not {PIXELS} numbers from 0 to {DARKEST} and a digit")
        result.append(found)
    return result
