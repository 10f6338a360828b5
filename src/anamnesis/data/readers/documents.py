"""Labelled documents: tables with a column that says what each text is about."""

from pathlib import Path
from typing import Any

from anamnesis.data.readers import tables, text
from anamnesis.data.readers.splits import NAMES, fill, normalise
from anamnesis.data.settings import Documents, SplitName
from anamnesis.data.sources.sources import Part
from anamnesis.errors import AnamnesisError

Row = tuple[str, str]


def read(corpus: Documents, parts: list[Part], folder: Path) -> dict[str, Any]:
    """Write `train.csv`, `valid.csv` and `test.csv` with the columns `label` and `text`.

    Returns:
        Rows, labels and characters of each split, and how many train lost because a published split has the same text.

    Raises:
        AnamnesisError: a column is not there, a row is broken, there are too few documents, or a split would be empty.
    """
    given: dict[SplitName, list[Row]] = {}
    for part in parts:
        given.setdefault(part.split or "train", []).extend(_rows(part, corpus))
    given = {name: rows[: corpus.limit] for name, rows in given.items()}
    total = sum(map(len, given.values()))
    if total < corpus.minimum:
        raise AnamnesisError(f"{parts[0].name}: only {total:,} documents; at least {corpus.minimum:,} are needed")
    result, lost = fill(
        given, corpus.split, "documents", keys=lambda row: [normalise(row[1])], stratum=lambda row: row[0]
    )
    counts: dict[str, Any] = {}
    for name in NAMES:
        tables.write(folder / f"{name}.csv", ("label", "text"), result[name])
        counts[name] = {
            "rows": len(result[name]),
            "labels": len({label for label, _ in result[name]}),
            "characters": sum(len(content) for _, content in result[name]),
        }
    counts["train"]["removed_as_duplicates"] = lost
    return counts


def _rows(part: Part, corpus: Documents) -> list[Row]:
    content = text.whole(part)
    wanted = [corpus.label, *corpus.text]
    if part.name.endswith(".tab"):
        records = tables.orange_rows(content, part.name, wanted)
    else:
        lines = tables.parse(content, part.name, "\t" if part.name.endswith(".tsv") else ",")
        header = corpus.columns or next(lines, ("", []))[1]
        tables.check_columns(header, wanted, part.name)
        found = [(place, row) for place, row in lines if row]
        if found and found[0][1] == corpus.heading:
            del found[0]
        records = [tables.record(header, row, place) for place, row in found]
    rows = [
        (record[corpus.label].strip(), " ".join(record[name] for name in corpus.text).strip()) for record in records
    ]
    return [(label, content) for label, content in rows if label and content]
