"""Reader of handwritten digits: rows of pixels and the digit."""

import re
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from anamnesis.data.readers.base import BaseCorpus
from anamnesis.data.readers.splits import SPLITS, Draw, complete, limit_rows, read_parts
from anamnesis.data.readers.tables import parse_table, write_table
from anamnesis.data.sources.archives import unzip
from anamnesis.data.sources.local import Part
from anamnesis.errors import AnamnesisError

PIXELS = 64
DARKEST = 16
NUMBER = re.compile(r"\d{1,2}", re.ASCII)
HEADER = [*(f"pixel_{index}" for index in range(PIXELS)), "digit"]


class Digits(BaseCorpus):
    """Handwritten digits: rows of 64 pixel values (0 to 16, eight rows of eight) and the digit."""

    makes: ClassVar = "images"
    reader: Literal["digits"]
    minimum: int = Field(30, ge=3, description="images that the corpus must have")
    split: Draw = Draw()

    def read(self, parts: list[Part], folder: Path) -> dict[str, Any]:
        """Write `train.csv`, `valid.csv` and `test.csv` with the columns `pixel_0` to `pixel_63` and `digit`.

        Pixel 8r + c is row r, column c, from 0 (white) to 16. Equal images go to the same split; each digit is divided
        in the same proportion. See `BaseCorpus.read`.
        """
        splits = limit_rows(read_parts(parts, _read_part), self.limit, self.minimum, "images", parts[0].name)
        splits, _ = complete(
            splits, self.split, "images", keys=lambda row: [row[:PIXELS]], stratum=lambda row: row[PIXELS]
        )
        return {name: {"rows": write_table(folder / f"{name}.csv", HEADER, splits[name])} for name in SPLITS}


def _read_part(part: Part) -> list[tuple[int, ...]]:
    data = part.path.read_bytes()
    if part.name.endswith(".gz"):
        data = unzip(data, part.name)
    content = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    rows = []
    for place, cells in parse_table(content, part.name):
        row = tuple(int(cell) if NUMBER.fullmatch(cell) else -1 for cell in cells)
        if len(row) != PIXELS + 1 or not all(0 <= value <= DARKEST for value in row) or row[PIXELS] > 9:
            raise AnamnesisError(f"{place}: not {PIXELS} numbers from 0 to {DARKEST} and a digit")
        rows.append(row)
    return rows
