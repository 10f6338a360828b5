"""Reader of series: numbers in the order of time."""

import math
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from anamnesis.data.readers.base import BaseCorpus
from anamnesis.data.readers.canonical import read_text
from anamnesis.data.readers.splits import SPLITS, Cut, Splits, check_minimum, check_not_empty, cut, read_parts
from anamnesis.data.readers.tables import check_columns, name_cells, parse_table, write_table
from anamnesis.data.sources.local import Part
from anamnesis.data.text import values
from anamnesis.errors import AnamnesisError

# Years that a date can have.
FIRST, LAST = 1, 9999
# File and line, time, value.
Row = tuple[str, str, str]


class Series(BaseCorpus):
    """Numbers in the order of time, from a table with a header row; the splits are contiguous in time.

    Each time occurs once, in ascending order. An offset from UTC that all dates have is left out.
    """

    makes: ClassVar = "a series"
    sources: ClassVar = (*BaseCorpus.sources, "sines")
    reader: Literal["series"]
    time: str = Field("time", description="the column with the time")
    value: str = Field("value", description="the column with the number")
    calendar: Literal["text", "decimal-year"] = Field(
        "text",
        description="how the time is written; text: as a number in every row, or as a date in every row (2020-01, "
        "2020-01-31, 2020-01-31 12:00); decimal-year (1749.0833 is 1749-02) becomes year and month",
    )
    minimum: int = Field(30, ge=3, description="rows that the series must have")
    split: Cut = Cut(valid=0.1, test=0.1)

    @model_validator(mode="after")
    def _sines_need_no_keys(self) -> Self:
        given = [key for key in ("time", "value", "calendar", "split") if key in self.model_fields_set]
        if self.source.kind == "sines" and given:
            raise ValueError(f"a source of kind sines has its own columns and splits: remove `{given[0]}`")
        return self

    def read(self, parts: list[Part], folder: Path) -> dict[str, Any]:
        """Write `train.csv`, `valid.csv` and `test.csv` with the columns `time` and `value`.

        A single file is cut contiguously; three files that the source names as splits stay whole. All times get the
        same form (`values.times`). See `BaseCorpus.read`.

        Raises:
            AnamnesisError: also where a value is no number, or a time is neither number nor date, occurs twice, or is
                earlier than the one before it.
        """
        given = read_parts(parts, self._read_part)
        given["train"] = given.get("train", [])[: self.limit]
        check_minimum(len(given["train"]), self.minimum, "rows", parts[0].name)
        if set(given) not in ({"train"}, set(SPLITS)):
            raise AnamnesisError("a series takes one file, or all of train, valid and test")
        splits = _unify_times(given)
        if set(given) == {"train"}:
            splits = cut(splits["train"], [1] * len(splits["train"]), self.split, "rows")
        check_not_empty(splits)
        return {name: {"rows": write_table(folder / f"{name}.csv", ("time", "value"), splits[name])} for name in SPLITS}

    def _read_part(self, part: Part) -> list[Row]:
        lines = parse_table(read_text(part), part.name)
        _, header = next(lines, ("", []))
        check_columns(header, (self.time, self.value), part.name)
        rows = []
        for place, row in lines:
            if not row:
                continue
            cells = name_cells(header, row, place)
            value, time = cells[self.value], cells[self.time]
            if not math.isfinite(values.number(value)):
                raise AnamnesisError(f"{place}: {value[:40]!r} is not a number")
            if self.calendar == "decimal-year":
                year = values.number(time)
                if not FIRST <= year <= LAST:
                    raise AnamnesisError(f"{place}: {time[:40]!r} is not a year with decimals from {FIRST} to {LAST}")
                time = month(year)
            rows.append((place, time, value))
        return rows


def _unify_times(given: Splits[Row]) -> Splits[tuple[str, str]]:
    """Time and value of each row, all times in one form.

    Raises:
        AnamnesisError: the times of a split do not ascend, or two splits have the same time.
    """
    rows = [row for split in given.values() for row in split]
    texts, moments = values.times([time for _, time, _ in rows], [place for place, _, _ in rows])
    result: Splits[tuple[str, str]] = {}
    known: set[Any] = set()
    start = 0
    for name, split in given.items():
        here = slice(start, start + len(split))
        places = [place for place, _, _ in split]
        values.check_order(texts[here], places, moments[here])
        for place, time, moment in zip(places, texts[here], moments[here], strict=True):
            if moment in known:
                raise AnamnesisError(f"{place}: {time[:40]} is in another split, too; allowed: each date once")
        known.update(moments[here])
        result[name] = [(time, value) for time, (_, _, value) in zip(texts[here], split, strict=True)]
        start = here.stop
    return result


def month(year: float) -> str:
    """The month of a year with decimals: 1749.0833 (1749 + 1/12) is 1749-02."""
    months = round(year * 12)
    return f"{months // 12:04d}-{months % 12 + 1:02d}"
