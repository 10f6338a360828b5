"""Labelled documents as ids: the ids of all documents in a row, where each begins, and its label.

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
        ids: of all documents in a row: uint8, uint16 or uint32, shape (tokens,).
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
        """The decoded text of a document."""
        return learned.decode(self[number])


def open_documents(folder: Path, split: str) -> Documents:
    """The documents of a split of a token store, as read-only memory maps.

    Raises:
        AnamnesisError: the store holds a text, a file is missing or damaged, or the files do not fit.
    """
    ids = arrays.open_array(folder / f"{split}.npy", "ids", arrays.UNSIGNED)
    path = folder / f"{split}.offsets.npy"
    if not path.exists():
        raise AnamnesisError(f"{path}: no such file; the store {folder.name} holds a text, not documents")
    offsets = arrays.open_array(path, "offsets", (np.int64,))
    labels = arrays.open_array(folder / f"{split}.labels.npy", "labels", arrays.UNSIGNED[:2])
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
        AnamnesisError: a table has other columns than label and text or has no rows, a document has no tokens, or a
            label does not occur in the training split.
    """
    seen: set[str] = set()

    def training() -> Iterator[str]:
        for label, content in tables.rows(sources["train"], COLUMNS, lambda line: advance(len(line))):
            seen.add(label)
            yield content

    learned = tokenizer.learn_documents(entry, training())
    tokenizer.save(learned, folder / "tokenizer.json")
    labels = sorted(seen)
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
            raise AnamnesisError(f"{path}: the table has no documents")
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
    """The rows of a table, encoded and counted as they pass."""

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
                raise AnamnesisError(f"{self.path}: document {len(self.labels) + 1} has nothing to tokenize")
            self.labels.append(self.numbers[label])
            self.offsets.append(self.offsets[-1] + len(chunk.ids))
            self.characters += len(content)
            self.seen[text.codepoints(content)] = True
            yield chunk

    def _observe(self, line: bytes) -> None:
        self.digest.update(line)
        self.advance(len(line))
