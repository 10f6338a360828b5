"""Sentence pairs as ids: for each language the ids of all sentences in a row, and where each begins.

train.source.npy            A _ c a t R u n            (source tokens,)
train.source.offsets.npy    0         5     8          (pairs + 1,)
train.target.npy            E e n _ k a t R e n        (target tokens,)
train.target.offsets.npy    0             7     10     (pairs + 1,)
train.csv                   the texts of the same pairs
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anamnesis.data.stores import arrays, tables
from anamnesis.data.text.placeholders import find_copied, mark
from anamnesis.data.tokenizers import settings, subwords, tokenizer
from anamnesis.data.tokenizers.base import Chunk, Tokenizer
from anamnesis.errors import AnamnesisError

COLUMNS = ("source", "target", "origin")
SIDES = ("source", "target")

Texts = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Sequences:
    """The sentences of one language.

    Attributes:
        ids: of all sentences in a row, without `<s>` and `</s>`: uint8, uint16 or uint32, shape (tokens,).
        offsets: sentence i is ids[offsets[i] : offsets[i + 1]]; int64, shape (sentences + 1,).
    """

    ids: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> np.ndarray:
        """The ids of a sentence, shape (its tokens,)."""
        if not 0 <= number < len(self):
            raise IndexError(f"sentence {number} of {len(self)}")
        return self.ids[self.offsets[number] : self.offsets[number + 1]]


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs of a split: sentence i of `target` translates sentence i of `source`."""

    source: Sequences
    target: Sequences

    def __len__(self) -> int:
        return len(self.source)


def open_pairs(folder: Path, split: str) -> Pairs:
    """The pairs of a split of a token store, as read-only memory maps.

    Raises:
        AnamnesisError: the store holds no pairs, a file is missing or damaged, or the files do not fit.
    """
    path = folder / f"{split}.source.npy"
    if (folder / f"{split}.npy").exists() and not path.exists():
        raise AnamnesisError(f"{path}: no such file; the store {folder.name} holds no sentence pairs")
    source, target = (_open_sequences(folder, f"{split}.{side}") for side in SIDES)
    if len(source) != len(target):
        raise AnamnesisError(
            f"{folder}: {split} has {len(source):,} source and {len(target):,} target sentences; make the store anew"
        )
    return Pairs(source, target)


def _open_sequences(folder: Path, name: str) -> Sequences:
    ids = arrays.open_array(folder / f"{name}.npy", "ids", arrays.UNSIGNED)
    path = folder / f"{name}.offsets.npy"
    offsets = arrays.open_array(path, "offsets", (np.int64,))
    if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != len(ids) or (np.diff(offsets) < 1).any():
        raise AnamnesisError(f"{path}: does not fit {name}.npy; make the store anew")
    return Sequences(ids, offsets)


def pair_texts(folder: Path, split: str) -> tuple[list[str], list[str]]:
    """The sentences of a split, source and target, in the order of `open_pairs`.

    Raises:
        AnamnesisError: a file is missing or damaged, or there are more or fewer texts than ids.
    """
    path = folder / f"{split}.csv"
    missing = f"make it first: dvc repro tokenize@{folder.name}"
    rows = list(tables.rows(path, SIDES, missing=missing))
    if len(rows) != (stored := len(open_pairs(folder, split))):
        raise AnamnesisError(f"{path}: {len(rows):,} pairs, but ids of {stored:,}; make the store anew")
    return [source for source, _ in rows], [target for _, target in rows]


def write(
    folder: Path,
    entry: settings.PairTokens,
    sources: dict[str, Path],
    advance: Callable[[int], object],
) -> dict[str, Any]:
    """Learn the tokenizers from the training pairs and write every split, as `store.write` says.

    Every sentence is encoded by itself, without `<s>` and `</s>`; with `entry.placeholders`, markers replace its
    placeholders. The csv files hold the sentences as they are. The training split loses the pairs with more than
    `entry.longest` tokens on a side, and the tokenizers are learned from the rest.

    Returns:
        The content of stats.json. `vocabulary_size`, `alphabet`, `tokens`, `targets` (an end for each sentence) and
        `characters` count the target; unknown tokens and characters count both sides.

    Raises:
        AnamnesisError: a table has other columns than pairs or has no rows, a sentence is blank, or no training pair
            is short enough.
    """
    train, _ = _read(sources["train"], advance)
    learned, kept = _learn(entry, _mark_placeholders(entry, train), sources["train"])
    for side, of_side in zip(SIDES, learned, strict=True):
        tokenizer.save(of_side, folder / f"{side}_tokenizer.json")
    stats: dict[str, Any] = {
        "corpus": entry.corpus,
        "kind": entry.kind,
        "languages": entry.languages,
        "vocabulary_size": learned[1].vocabulary_size,
        "source_vocabulary_size": learned[0].vocabulary_size,
        "splits": {},
    }
    for split, path in sources.items():
        pairs, digest = _read(path, advance)
        numbers = kept if split == "train" else list(range(len(pairs)))
        chosen = [pairs[number] for number in numbers]
        counts = _write_split(folder, split, learned, chosen, _mark_placeholders(entry, chosen))
        stats["splits"][split] = counts | {"left_out": len(pairs) - len(numbers), "text_sha256": digest}
    stats["alphabet"] = len({character for number in kept for character in train[number][1]})
    return stats


def _read(path: Path, advance: Callable[[int], object]) -> tuple[list[Texts], str]:
    """The pairs of a table, and the sha256 of the file."""
    rows, digest = tables.read_table(path, COLUMNS, advance)
    if not rows:
        raise AnamnesisError(f"{path}: the table has no pairs")
    for number, row in enumerate(rows, 1):
        for side, sentence in zip(SIDES, row, strict=False):
            if not sentence or sentence.isspace():
                raise AnamnesisError(f"{path}: pair {number}: nothing to tokenize in its {side}: {sentence!r}")
    return [(source, target) for source, target, _ in rows], digest


def _mark_placeholders(entry: settings.PairTokens, pairs: list[Texts]) -> list[Texts]:
    """The pairs to encode: in both sentences, markers replace the placeholders of the source."""
    if isinstance(entry, settings.WordPairs) or not entry.placeholders:
        return pairs
    parts = [find_copied(source) for source, _ in pairs]
    return [(mark(source, part), mark(target, part)) for (source, target), part in zip(pairs, parts, strict=True)]


def _learn(entry: settings.PairTokens, pairs: list[Texts], path: Path) -> tuple[tuple[Tokenizer, Tokenizer], list[int]]:
    """The tokenizers of source and target, learned from the pairs that are short enough, and the indices of these.

    The number of subwords of a sentence depends on the training sentences. Pairs that are too long are left out and the
    tokenizers learned again, until all pairs are short by the tokenizers that they give.
    """
    indices = list(range(len(pairs)))
    while True:
        learned = _learn_all(entry, [pairs[number] for number in indices])
        if entry.longest is None:
            return learned, indices
        short = [number for number in indices if _tokens(learned, pairs[number]) <= entry.longest]
        if not short:
            raise AnamnesisError(f"{path}: no pair has at most {entry.longest} tokens on both sides, as `longest` asks")
        if len(short) == len(indices):
            return learned, indices
        indices = short


def _learn_all(entry: settings.PairTokens, pairs: list[Texts]) -> tuple[Tokenizer, Tokenizer]:
    sources, targets = ([pair[side] for pair in pairs] for side in (0, 1))
    if isinstance(entry, settings.WordPairs):
        keys = {"corpus", "limit", "minimum_count", "lower"}
        source, target = (
            tokenizer.learn_documents(
                settings.Words(kind="words", language=language, sentences="lines", **entry.model_dump(include=keys)),
                sentences,
            )
            for language, sentences in zip(entry.languages, (sources, targets), strict=True)
        )
        return source, target
    if entry.shared:
        both = subwords.learn_pieces([sources, targets], entry.size, entry.placeholders)
        return both, both
    source, target = (subwords.learn_pieces([side], entry.size, entry.placeholders) for side in (sources, targets))
    return source, target


def _tokens(learned: tuple[Tokenizer, Tokenizer], pair: Texts) -> int:
    """Tokens of the longer one of two sentences."""
    return max(len(of_side.encode_document(sentence).ids) for of_side, sentence in zip(learned, pair, strict=True))


def _write_split(
    folder: Path, split: str, learned: tuple[Tokenizer, Tokenizer], pairs: list[Texts], encoded: list[Texts]
) -> dict[str, Any]:
    counts = []
    for index, (side, of_side) in enumerate(zip(SIDES, learned, strict=True)):
        lengths = [0]

        def chunks(index: int = index, of_side: Tokenizer = of_side, lengths: list[int] = lengths) -> Any:
            for pair in encoded:
                chunk: Chunk = of_side.encode_document(pair[index])
                lengths.append(len(chunk.ids))
                yield chunk

        counts.append(arrays.write_ids(folder / f"{split}.{side}.npy", of_side, chunks()))
        np.save(folder / f"{split}.{side}.offsets.npy", np.cumsum(lengths, dtype=np.int64))
    with open(folder / f"{split}.csv", "w", encoding="utf-8", newline="") as file:
        # By default, the writer forgets the quotes around a carriage return.
        csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([SIDES, *pairs])
    source, target = counts
    return {
        "pairs": len(pairs),
        "tokens": target["tokens"],
        "source_tokens": source["tokens"],
        "targets": target["tokens"] + len(pairs),
        "unknown_tokens": source["unknown_tokens"] + target["unknown_tokens"],
        "source_unknown_tokens": source["unknown_tokens"],
        "unknown_characters": source["unknown_characters"] + target["unknown_characters"],
        "characters": sum(len(sentence) for _, sentence in pairs),
        "ids_sha256": target["ids_sha256"],
        "source_ids_sha256": source["ids_sha256"],
    }
