"""Labelled documents as ids: the ids of all documents one after the other, where each begins, and what it is about.

train.npy            T h e _ c a t I t _ r a i n s Y e s     (tokens,)
train.offsets.npy    0             7               15    18  (documents + 1,)
train.labels.npy     2             0               2         (documents,), numbers in the sorted list of labels
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anamnesis.data.stores import arrays, tables
from anamnesis.data.text import blocks as text
from anamnesis.data.tokenizers import settings, tokenizer
from anamnesis.data.tokenizers.base import Chunk, Tokenizer
from anamnesis.errors import AnamnesisError

COLUMNS = ("label", "text")


@dataclass(frozen=True, eq=False)
class Documents:
    """The documents of a split.

    Attributes:
        ids: of all documents one after the other: uint8, uint16 or uint32, shape (tokens,).
        offsets: document i is ids[offsets[i] : offsets[i + 1]]; int64, shape (documents + 1,).
        labels: numbers in the sorted list `labels` of stats.json: uint8 or uint16, shape (documents,).
    """

    ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> np.ndarray:
        """The ids of a document, shape (its tokens,)."""
        if not 0 <= number < len(self):
            raise IndexError(f"document {number} of {len(self)}")
        return self.ids[self.offsets[number] : self.offsets[number + 1]]

    def text(self, number: int, learned: Tokenizer) -> str:
        """The text of a document, as far as its tokenizer keeps it (`Tokenizer.decode`)."""
        return learned.decode(self[number])


def open_documents(folder: Path, split: str) -> Documents:
    """The documents of a split of a token store, read-only, paged in from the disk as they are used.

    Raises:
        AnamnesisError: a file is missing or damaged, as where the store holds a text, or the three do not fit.
    """
    ids = arrays.opened(folder / f"{split}.npy", "ids", arrays.UNSIGNED)
    path = folder / f"{split}.offsets.npy"
    if not path.exists():
        raise AnamnesisError(f"{path}: there is no such file; the store {folder.name} holds a text, not documents")
    offsets = arrays.opened(path, "offsets", (np.int64,))
    labels = arrays.opened(folder / f"{split}.labels.npy", "labels", arrays.UNSIGNED[:2])
    if len(offsets) != len(labels) + 1 or offsets[0] != 0 or offsets[-1] != len(ids) or (np.diff(offsets) < 1).any():
        raise AnamnesisError(f"{path}: does not fit {split}.npy and {split}.labels.npy; make the store anew")
    return Documents(ids, offsets, labels)


def write(
    folder: Path, entry: settings.DocumentTokens, sources: dict[str, Path], advance: Callable[[int], object]
) -> dict[str, Any]:
    """Learn the tokenizer from the training documents and write the arrays of every split, as `store.write` says.

    Every document is encoded by itself. Words come without `<s>` and `</s>`: a document is its words.

    Returns:
        The content of stats.json, with `labels`, sorted, and the number of `documents` in each split.

    Raises:
        AnamnesisError: a table is no table of label and text or has no rows, a document holds no token, or a label
            does not occur in the training split.
    """
    found: set[str] = set()

    def training() -> Iterator[str]:
        for label, content in tables.rows(sources["train"], COLUMNS, lambda line: advance(len(line))):
            found.add(label)
            yield content

    learned = tokenizer.learn_documents(entry, training())
    tokenizer.save(learned, folder / "tokenizer.json")
    labels = sorted(found)
    stats: dict[str, Any] = {
        "corpus": entry.corpus,
        "kind": entry.kind,
        "vocabulary_size": learned.vocabulary_size,
        "labels": labels,
        "splits": {},
    }
    for split, path in sources.items():
        table = _Table(path, learned, labels, advance)
        counts = arrays.write_ids(folder / f"{split}.npy", learned, table.chunks())
        if not table.labels:
            raise AnamnesisError(f"{path}: there are no documents in it")
        np.save(folder / f"{split}.offsets.npy", np.array(table.offsets, np.int64))
        np.save(folder / f"{split}.labels.npy", np.array(table.labels, np.min_scalar_type(len(labels) - 1)))
        stats["splits"][split] = counts | {
            "targets": counts["tokens"] - len(table.labels),
            "documents": len(table.labels),
            "characters": table.characters,
            "text_sha256": table.digest.hexdigest(),
        }
        if split == "train":
            stats["alphabet"] = int(np.count_nonzero(table.seen))
    return stats


class _Table:
    """The rows of a table, turned to ids and counted as they pass."""

    def __init__(self, path: Path, learned: Tokenizer, labels: list[str], advance: Callable[[int], object]) -> None:
        self.path, self.learned, self.advance = path, learned, advance
        self.numbers = {label: number for number, label in enumerate(labels)}
        self.digest = hashlib.sha256()
        self.seen = np.zeros(text.CODEPOINTS, bool)
        self.characters = 0
        self.offsets, self.labels = [0], list[int]()

    def chunks(self) -> Iterator[Chunk]:
        """The ids of each document."""
        for label, content in tables.rows(self.path, COLUMNS, self._observe):
            if label not in self.numbers:
                raise AnamnesisError(f"{self.path}: the label {label!r} does not occur in the training split")
            chunk = self.learned.encode_document(content)
            if not len(chunk.ids):
                raise AnamnesisError(f"{self.path}: document {len(self.labels) + 1} has nothing in it to tokenize")
            self.labels.append(self.numbers[label])
            self.offsets.append(self.offsets[-1] + len(chunk.ids))
            self.characters += len(content)
            self.seen[text.codepoints(content)] = True
            yield chunk

    def _observe(self, line: bytes) -> None:
        self.digest.update(line)
        self.advance(len(line))
