"""Reader of labelled documents: tables with a column that states the label of each text."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from anamnesis.data.readers.base import BaseCorpus
from anamnesis.data.readers.canonical import read_text
from anamnesis.data.readers.splits import SPLITS, Draw, complete, limit_rows, normalise, read_parts
from anamnesis.data.readers.tables import check_columns, name_cells, parse_table, read_orange, write_table
from anamnesis.data.sources.local import Part


class Documents(BaseCorpus):
    """Labelled documents. A published test split stays as it is; train loses the texts that occur in it.

    A `.tab` file is a table in Orange's format, a `.tsv` file one with tabs, any other one with commas.
    """

    makes: ClassVar = "labelled documents"
    reader: Literal["documents"]
    columns: list[str] | None = Field(None, description="names of the columns; null: the first row has them")
    heading: list[str] | None = Field(
        None, min_length=1, description="with `columns`: the first row of a file is left out where it equals this list"
    )
    label: str = Field("label", description="the column with the label")
    text: list[str] = Field(["text"], min_length=1, description="the columns with the text, joined by a space")
    minimum: int = Field(30, ge=3, description="documents that the corpus must have")
    split: Draw = Draw()

    def read(self, parts: list[Part], folder: Path) -> dict[str, Any]:
        """Write `train.csv`, `valid.csv` and `test.csv` with the columns `label` and `text`.

        Each label is divided in the same proportion. See `BaseCorpus.read`; train also counts the texts that it lost.
        """
        splits = limit_rows(read_parts(parts, self._read_part), self.limit, self.minimum, "documents", parts[0].name)
        splits, lost = complete(
            splits, self.split, "documents", keys=lambda row: [normalise(row[1])], stratum=lambda row: row[0]
        )
        counts: dict[str, Any] = {name: write_labelled(folder / f"{name}.csv", splits[name]) for name in SPLITS}
        counts["train"]["removed_as_duplicates"] = lost
        return counts

    def _read_part(self, part: Part) -> list[tuple[str, str]]:
        """Label and text of each document that has both."""
        content = read_text(part)
        columns = [self.label, *self.text]
        if part.name.endswith(".tab"):
            records = read_orange(content, part.name, columns)
        else:
            lines = parse_table(content, part.name, "\t" if part.name.endswith(".tsv") else ",")
            header = self.columns or next(lines, ("", []))[1]
            check_columns(header, columns, part.name)
            rows = [(place, row) for place, row in lines if row]
            if rows and rows[0][1] == self.heading:
                del rows[0]
            records = [name_cells(header, row, place) for place, row in rows]
        found = (
            (record[self.label].strip(), " ".join(record[name] for name in self.text).strip()) for record in records
        )
        return [(label, text) for label, text in found if label and text]


def write_labelled(path: Path, rows: list[tuple[str, str]]) -> dict[str, Any]:
    """Write labels and texts as a table. Returns its numbers of rows, labels and characters."""
    return {
        "rows": write_table(path, ("label", "text"), rows),
        "labels": len({label for label, _ in rows}),
        "characters": sum(len(text) for _, text in rows),
    }
