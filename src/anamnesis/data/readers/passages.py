"""Labelled passages: pieces of several texts, to be told apart."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from anamnesis.data.readers import stories, tables, text
from anamnesis.data.readers.splits import NAMES, normalise
from anamnesis.data.settings import Book, Labelled, Passages, SplitName, Stories
from anamnesis.data.sources import archives
from anamnesis.data.sources.sources import Part
from anamnesis.errors import AnamnesisError

Item = TypeVar("Item")


def read(corpus: Passages, parts: list[Part], folder: Path) -> dict[str, Any]:
    """Write `train.csv`, `valid.csv` and `test.csv` with the columns `label` and `text`.

    A label's texts, one after the other, are cut as one text, so that a split here never holds what another split of
    the same text, read by `reader: text` with the same settings, holds. Passages that are the same but for case and
    white space are used once, in test before valid before train.

    Returns:
        Rows, labels and characters of each split.

    Raises:
        AnamnesisError: a label's pattern selects no file, files cannot be read, or a split would be empty.
    """
    taken: set[str] = set()
    found: dict[SplitName, dict[str, list[str]]] = {name: {} for name in NAMES}
    texts = {label: _splits(label, labelled, corpus, parts) for label, labelled in corpus.labels.items()}
    for name in reversed(NAMES):
        for label, splits in texts.items():
            found[name][label] = []
            for passage in (one for document in splits[name] for one in passages(document, corpus.length)):
                key = normalise(passage)
                if key not in taken:
                    taken.add(key)
                    found[name][label].append(passage)
    counts: dict[str, Any] = {}
    for name in NAMES:
        label, fewest = min(((label, len(items)) for label, items in found[name].items()), key=lambda pair: pair[1])
        number = min(fewest, getattr(corpus.per_label, name))
        if not number:
            raise AnamnesisError(f"labels.{label}: no passage of {corpus.length} characters: {name} would be empty")
        rows = [(label, passage) for label, items in found[name].items() for passage in evenly(items, number)]
        counts[name] = {
            "rows": tables.write(folder / f"{name}.csv", ("label", "text"), rows),
            "labels": len(corpus.labels),
            "characters": sum(len(passage) for _, passage in rows),
        }
    return counts


def passages(document: str, length: int) -> list[str]:
    """The consecutive pieces of a document, each of whole words and as long as `length` characters allow.

    White space within a piece stays as it is. A word longer than `length` is cut; a piece shorter than half of it, as
    may remain at the end, is left out.
    """
    pattern = rf"\S(?:[\s\S]{{0,{length - 2}}}\S)?(?!\S)|\S{{{length}}}"
    return [piece for piece in re.findall(pattern, document) if len(piece) * 2 >= length]


def evenly(items: Sequence[Item], number: int) -> list[Item]:
    """`number` of the items, which must be that many, at equal distances."""
    return [items[index * len(items) // number] for index in range(number)]


def _splits(label: str, labelled: Labelled, corpus: Passages, parts: list[Part]) -> dict[SplitName, list[str]]:
    """The documents of each split of a label's texts."""
    pattern = archives.matcher(labelled.files)
    mine = [part for part in parts if pattern.fullmatch(part.name)]
    if not mine:
        raise AnamnesisError(
            f"labels.{label}.files: found {labelled.files!r}, which selects no file; there are "
            f"{', '.join(part.name for part in parts[:5])}{', ...' if len(parts) > 5 else ''}"
        )
    if any(part.split for part in mine):
        raise AnamnesisError(f"labels.{label}: the source must not say which split a file is")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if labelled.reader == "text":
            book = Book(
                reader="text",
                source=corpus.source,
                begin=labelled.begin,
                end=labelled.end,
                minimum=corpus.minimum,
                limit=corpus.limit,
                split=labelled.split or corpus.split,
            )
            text.read(book, mine, folder)
        else:
            _cut_collection(label, labelled, corpus, mine, folder)
        return {name: (folder / f"{name}.txt").read_bytes().decode().split(text.SEPARATOR) for name in NAMES}


def _cut_collection(label: str, labelled: Labelled, corpus: Passages, parts: list[Part], folder: Path) -> None:
    settings = Stories(
        reader="works" if labelled.reader == "works" else "tales",
        source=corpus.source,
        column=labelled.column,
        title=labelled.title,
        straight_quotes=labelled.straight_quotes,
    )
    found = [content for part in parts for content in stories.contents(part, settings)]
    whole = text.SEPARATOR.join(found)[: corpus.limit]
    if len(whole) < corpus.minimum:
        raise AnamnesisError(f"labels.{label}: only {len(whole):,} characters; at least {corpus.minimum:,} are needed")
    path = folder / "train.txt"
    path.write_bytes(whole.encode())
    text.cut(path, folder, len(whole), labelled.split or corpus.split, list(NAMES[1:]))
