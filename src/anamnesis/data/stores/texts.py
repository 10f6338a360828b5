"""Running text as ids.

train.npy            T h e _ c a t         (tokens,)
train.unknown.npy    8 0 3                 (unknown tokens,), of words: the length of the word behind each `<unk>`
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import files
from anamnesis.data.stores import arrays
from anamnesis.data.text import leftovers
from anamnesis.data.text.blocks import BLOCK, CODEPOINTS, blocks, codepoints
from anamnesis.data.tokenizers import settings, tokenizer, words
from anamnesis.data.tokenizers.base import Chunk
from anamnesis.errors import AnamnesisError


def write(
    folder: Path, entry: settings.TextTokens, sources: dict[str, Path], advance: Callable[[int], object]
) -> dict[str, Any]:
    """Learn the tokenizer from the training split and write the ids of every split, as `store.write` says.

    Returns:
        The content of stats.json.

    Raises:
        AnamnesisError: a split has nothing to tokenize, or is not UTF-8.
    """
    learned = tokenizer.learn(entry, blocks(sources["train"], lambda data: advance(len(data)), BLOCK))
    tokenizer.save(learned, folder / "tokenizer.json")
    stats: dict[str, Any] = {
        "corpus": entry.corpus,
        "kind": entry.kind,
        "vocabulary_size": learned.vocabulary_size,
        "splits": {},
    }
    alphabet: NDArray[np.bool_] | None = None
    left_over: dict[str, Counter[leftovers.Leftover]] = {}
    for split in sorted(sources, key=lambda split: split != "train"):
        source = sources[split]
        # Subwords can spell every character.
        text = _CountedText(source, advance, None if learned.unknown_id is None else alphabet)
        if isinstance(learned, words.Words):
            left = leftovers.Leftovers(learned)
            counts = _write_words(folder, split, learned, learned.chunks(text, left.read))
            left.finish()
            left_over[split] = left.counts
        else:
            counts = arrays.write_ids(folder / f"{split}.npy", learned, learned.chunks(text))
        if not counts["tokens"]:
            raise AnamnesisError(f"{source}: nothing to tokenize")
        stats["splits"][split] = counts | text.counts()
        if alphabet is None:
            alphabet = text.seen
            stats["alphabet"] = int(np.count_nonzero(alphabet))
    for split, strings in left_over.items():
        nats = leftovers.nats(strings, left_over["train"], stats["alphabet"])
        stats["splits"][split]["leftover_nats"] = float(f"{nats:.10g}")
    if isinstance(learned, words.Words) and learned.delete:
        # Published word counts of a text leave marks out, as this kind of words does.
        counted = Counter(word for source in sources.values() for word in learned.words(blocks(source)))
        stats |= {"words": counted.total(), "different_words": len(counted)}
    return stats


def _write_words(folder: Path, split: str, learned: words.Words, chunks: Iterator[Chunk]) -> dict[str, Any]:
    """Write SPLIT.npy and SPLIT.unknown.npy. Returns the counts of the split."""
    path = folder / f"{split}.unknown.npy"
    with arrays.growing(path, np.dtype(np.uint32)) as append:

        def observed() -> Iterator[Chunk]:
            for chunk in chunks:
                if chunk.unknown_words is not None:
                    append(chunk.unknown_words)
                yield chunk

        counts = arrays.write_ids(folder / f"{split}.npy", learned, observed())
    return counts | {"unknown_sha256": files.sha256_file(path)}


class _CountedText:
    """The blocks of a text file, whose characters are counted as they pass.

    Args:
        path: UTF-8 text.
        advance: called with the number of bytes of each block.
        alphabet: whether the training split has each code point, (CODEPOINTS,); None: no character is unseen.
    """

    def __init__(self, path: Path, advance: Callable[[int], object], alphabet: NDArray[np.bool_] | None) -> None:
        self.path, self.advance, self.alphabet = path, advance, alphabet
        self.digest = hashlib.sha256()
        self.characters = self.unseen = 0
        self.seen = np.zeros(CODEPOINTS, bool)

    def __iter__(self) -> Iterator[str]:
        for block in blocks(self.path, self._observe, BLOCK):
            self.characters += len(block)
            occurrences = np.bincount(codepoints(block))
            self.seen[: len(occurrences)] |= occurrences > 0
            if self.alphabet is not None:
                self.unseen += int(occurrences[~self.alphabet[: len(occurrences)]].sum())
            yield block

    def _observe(self, data: bytes) -> None:
        self.digest.update(data)
        self.advance(len(data))

    def counts(self) -> dict[str, Any]:
        """Characters, unseen characters and the digest, once all blocks have passed."""
        return {
            "characters": self.characters,
            "unseen_characters": self.unseen,
            "text_sha256": self.digest.hexdigest(),
        }


def open_split(folder: Path, split: str) -> np.memmap:
    """The ids of a split: uint8, uint16 or uint32, shape (tokens,), a read-only memory map.

    Raises:
        AnamnesisError: the file is missing or damaged.
    """
    return arrays.open_array(folder / f"{split}.npy", "ids", arrays.UNSIGNED)


def open_unknown(folder: Path, split: str) -> np.memmap:
    """Characters of the word behind each `<unk>` of a split of words, 0 for a mark: uint32, shape (unknown tokens,).

    Raises:
        AnamnesisError: the file is missing or damaged.
    """
    return arrays.open_array(folder / f"{split}.unknown.npy", "lengths of unknown words", (np.uint32,))


def text_blocks(folder: Path, split: str, stats: dict[str, Any]) -> Iterator[str]:
    """The text of a split, as `store.text_blocks` says.

    Args:
        folder: the token store.
        split: its split.
        stats: content of stats.json.
    """
    if "labels" in stats:
        raise AnamnesisError(f"{folder}: holds documents, not one text; `open_documents` reads them")
    if "languages" in stats:
        raise AnamnesisError(f"{folder}: holds sentence pairs, not one text; `open_pairs` reads them")
    learned, ids = tokenizer.load(folder / "tokenizer.json"), open_split(folder, split)
    if learned.unknown_id is not None and (unknown := int(np.count_nonzero(ids == learned.unknown_id))):
        raise AnamnesisError(f"{folder}: {unknown:,} tokens of {split} are unknown: the ids do not determine its text")
    digest = hashlib.sha256()
    spelled = learned.stream(chain.from_iterable(part.tolist() for part in array_blocks(ids)))
    while pieces := list(islice(spelled, BLOCK)):
        block = "".join(pieces)
        digest.update(block.encode())
        yield block
    if digest.hexdigest() != stats["splits"][split]["text_sha256"]:
        raise AnamnesisError(f"{folder}: the ids of {split}, of kind {stats['kind']}, do not determine its text")


def array_blocks(ids: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The ids (tokens,) in consecutive parts of BLOCK tokens."""
    for first in range(0, len(ids), BLOCK):
        yield ids[first : first + BLOCK]
