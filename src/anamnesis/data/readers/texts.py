"""Texts of a collection: cleaned, shortened and written, for the readers of stories and chapters."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from anamnesis.data.readers.canonical import count, read_json, write_documents
from anamnesis.data.readers.splits import SPLITS, Splits
from anamnesis.data.sources.local import Part
from anamnesis.errors import AnamnesisError


def read_list(part: Part) -> list[str]:
    """The texts of a JSON list. Raises AnamnesisError where the file is anything else."""
    content = read_json(part)
    if not isinstance(content, list) or not all(isinstance(item, str) for item in content):
        raise AnamnesisError(f"{part.name}: not a JSON list of texts")
    return content


def clean(texts: Iterable[str]) -> list[str]:
    """The texts in canonical form, without form feeds and blank lines around them, each ending with one LF.

    Blank texts are left out.
    """
    lines = (text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").strip("\n") for text in texts)
    return [text + "\n" for text in lines if text.strip()]


def characters(splits: Splits[str]) -> int:
    """Characters of all texts together."""
    return sum(len(text) for texts in splits.values() for text in texts)


def shorten(splits: Splits[str], limit: int | None) -> Splits[str]:
    """The splits, each of at most about `limit` characters: every text of a split loses the same share of its end."""
    return {name: _shorten(texts, limit) for name, texts in splits.items()}


def _shorten(texts: list[str], limit: int | None) -> list[str]:
    total = sum(map(len, texts))
    if limit is None or total <= limit:
        return texts
    return [text[: max(1, len(text) * limit // total)].rstrip("\n") + "\n" for text in texts]


def write(splits: Splits[str], folder: Path) -> dict[str, Any]:
    """Write the texts of each split to `folder`. Returns the counts of each split."""
    for name in SPLITS:
        write_documents(folder, name, splits[name])
    return {name: count(folder / f"{name}.txt") for name in SPLITS}
