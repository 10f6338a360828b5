"""The ids of a corpus on disk: one array per split, the tokenizer, and what there is to count.

A table of documents is stored as `documents.py` says, one of sentence pairs as `pairs.py` says.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from anamnesis import files
from anamnesis.data.stores import arrays, documents, images, pairs, series, tables
from anamnesis.data.stores.documents import Documents, open_documents
from anamnesis.data.stores.images import Images, open_images
from anamnesis.data.stores.pairs import Pairs, open_pairs, pair_texts
from anamnesis.data.stores.series import Series, open_series
from anamnesis.data.text import blocks as text
from anamnesis.data.text import leftovers
from anamnesis.data.tokenizers import settings, tokenizer, words
from anamnesis.data.tokenizers.base import Chunk
from anamnesis.errors import AnamnesisError

__all__ = [
    "SPLITS",
    "Documents",
    "Images",
    "Pairs",
    "Series",
    "open_documents",
    "open_images",
    "open_pairs",
    "open_series",
    "open_split",
    "open_unknown",
    "pair_texts",
    "read_stats",
    "sources",
    "text_blocks",
    "write",
]

SPLITS = ("train", "valid", "test")


def sources(corpus: str, root: Path = Path()) -> dict[str, Path]:
    """The file of each split of a fetched corpus: a text (`.txt`), or a table (`.csv`).

    Raises:
        AnamnesisError: the corpus is not there.
    """
    folder = root / "data" / "raw" / corpus
    kind = "csv" if (folder / "train.csv").exists() else "txt"
    found = {split: folder / f"{split}.{kind}" for split in SPLITS}
    for path in found.values():
        if not path.exists():
            raise AnamnesisError(f"{path}: there is no such file; fetch it first: anamnesis repro fetch@{corpus}")
    return found


def write(
    folder: Path,
    entry: settings.Tokens,
    sources: dict[str, Path],
    advance: Callable[[int], object] = lambda count: None,
    block: int = text.BLOCK,
) -> dict[str, Any]:
    """Make a token store: learn the tokenizer from the training split, turn every split into ids.

    Memory does not grow with the text, but for the tables of the different words of the training split and of the
    different strings between words, and for sentence pairs, of which a split is held at a time.

    Args:
        folder: takes the place of what was there, in one step.
        sources: the file of each split, all texts or all tables; "train" must be among them.
        advance: told how many bytes were read; all in all, the training split counts twice.
        block: bytes of a text to read at once; the result does not depend on it.

    Returns:
        The content of stats.json.

    Raises:
        AnamnesisError: the kind of tokens is not for this corpus; a split is missing, is empty, holds no word, or is
            not UTF-8; or as `documents.write` and `pairs.write`.
    """
    with files.new_folder(folder) as new:
        stats = _write(new, entry, sources, advance, block)
        files.write_json(new / "stats.json", stats)
    return stats


def _write(
    folder: Path, entry: settings.Tokens, sources: dict[str, Path], advance: Callable[[int], object], block: int
) -> dict[str, Any]:
    if sources["train"].suffix != ".csv":
        if isinstance(entry, settings.TextTokens):
            return _write_text(folder, entry, sources, advance, block)
        raise _not_for(entry, "running text", settings.TextTokens)
    columns = tables.columns(sources["train"], documents.COLUMNS, pairs.COLUMNS, images.COLUMNS, series.COLUMNS)
    if columns == list(images.COLUMNS):
        if isinstance(entry, settings.ImageTokens):
            return images.write(folder, entry, sources, advance)
        raise _not_for(entry, "a table of images", settings.ImageTokens)
    if columns == list(series.COLUMNS):
        if isinstance(entry, settings.SeriesTokens):
            return series.write(folder, entry, sources, advance)
        raise _not_for(entry, "a series of numbers", settings.SeriesTokens)
    if columns == list(documents.COLUMNS):
        if isinstance(entry, settings.DocumentTokens):
            return documents.write(folder, entry, sources, advance)
        raise _not_for(entry, "a table of documents", settings.DocumentTokens)
    if isinstance(entry, settings.PairTokens):
        return pairs.write(folder, entry, sources, advance)
    raise _not_for(entry, "a table of sentence pairs", settings.PairTokens)


def _not_for(entry: settings.Tokens, what: str, kinds: Any) -> AnamnesisError:
    *others, last = (get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(kinds) or (kinds,))
    allowed = f"{', '.join(others)} or {last}" if others else last
    return AnamnesisError(f"corpus {entry.corpus!r} is {what}: found kind {entry.kind!r}; allowed: {allowed}")


def _write_text(
    folder: Path, entry: settings.TextTokens, sources: dict[str, Path], advance: Callable[[int], object], block: int
) -> dict[str, Any]:
    learned = tokenizer.learn(entry, text.blocks(sources["train"], lambda data: advance(len(data)), block))
    tokenizer.save(learned, folder / "tokenizer.json")
    stats: dict[str, Any] = {
        "corpus": entry.corpus,
        "kind": entry.kind,
        "vocabulary_size": learned.vocabulary_size,
        "splits": {},
    }
    alphabet: np.ndarray | None = None
    left_over: dict[str, Counter[leftovers.Leftover]] = {}
    for split in sorted(sources, key=lambda split: split != "train"):
        source = sources[split]
        # Of what subwords say there is nothing that the training split must have held.
        reader = _Reader(source, advance, block, None if learned.unknown_id is None else alphabet)
        if isinstance(learned, words.Words):
            left = leftovers.Leftovers(learned)
            chunks = learned.chunks(reader, left.read)
            counts = _write_words(folder, split, learned, chunks)
            left.finish()
            left_over[split] = left.counts
        else:
            counts = arrays.write_ids(folder / f"{split}.npy", learned, learned.chunks(reader))
        if not counts["tokens"]:
            raise AnamnesisError(f"{source}: there is nothing in it to tokenize")
        stats["splits"][split] = counts | reader.counts()
        if alphabet is None:
            alphabet = reader.seen
            stats["alphabet"] = int(np.count_nonzero(alphabet))
    for split, left_counts in left_over.items():
        price = leftovers.nats(left_counts, left_over["train"], stats["alphabet"])
        stats["splits"][split]["leftover_nats"] = float(f"{price:.10g}")
    if isinstance(learned, words.Words) and learned.delete:
        # Without marks among the tokens, these numbers can be held against those that others state of the text.
        found = Counter(word for source in sources.values() for word in learned.words(text.blocks(source)))
        stats |= {"words": found.total(), "different_words": len(found)}
    return stats


def _write_words(folder: Path, split: str, learned: words.Words, chunks: Iterator[Chunk]) -> dict[str, Any]:
    """SPLIT.npy, and SPLIT.unknown.npy: what is known of the words that each `<unk>` stands for."""
    path = folder / f"{split}.unknown.npy"
    with arrays.growing(path, np.dtype(np.uint32)) as append:

        def observed() -> Iterator[Chunk]:
            for chunk in chunks:
                if chunk.unknown_words is not None:
                    append(chunk.unknown_words)
                yield chunk

        counts = arrays.write_ids(folder / f"{split}.npy", learned, observed())
    return counts | {"unknown_sha256": files.sha256_file(path)}


def open_unknown(folder: Path, split: str) -> np.memmap:
    """Characters of the word that each `<unk>` of a split of words stands for: uint32, shape (unknown tokens,).

    0 where it stands for a punctuation mark.

    Raises:
        AnamnesisError: the file is missing or damaged.
    """
    return arrays.opened(folder / f"{split}.unknown.npy", "lengths of unknown words", (np.uint32,))


def open_split(folder: Path, split: str) -> np.memmap:
    """The ids of a split: uint8, uint16 or uint32, shape (tokens,), read-only, paged in from the disk as they are used.

    Raises:
        AnamnesisError: the file is missing or damaged.
    """
    return arrays.opened(folder / f"{split}.npy", "ids", arrays.UNSIGNED)


def read_stats(folder: Path) -> dict[str, Any]:
    """The content of stats.json.

    Raises:
        AnamnesisError: the file is missing or damaged.
    """
    path = folder / "stats.json"
    try:
        stats = json.loads(path.read_bytes())
        if not {"corpus", "kind", "splits"} <= stats.keys():
            raise ValueError("a key is missing")
        for split in SPLITS:
            if not isinstance(stats["splits"].get(split, {}).get("text_sha256"), str):
                raise ValueError(f"splits.{split}.text_sha256 is missing")
    except FileNotFoundError:
        raise AnamnesisError(
            f"{path}: there is no such file; make it first: dvc repro tokenize@{folder.name}"
        ) from None
    except (ValueError, AttributeError, RecursionError) as error:
        raise AnamnesisError(f"{path}: not the counts of a token store: {error}") from None
    return stats


def text_blocks(folder: Path, split: str, block: int = text.BLOCK) -> Iterator[str]:
    """The text of a split, byte for byte what the corpus holds, with the lines that separate its documents.

    It comes in the pieces that `block` tokens spell.

    Raises:
        AnamnesisError: the ids do not say what the text was: unknown tokens, words, or a table; or a file is
            missing or damaged.
    """
    stats = read_stats(folder)
    if "labels" in stats:
        raise AnamnesisError(f"{folder}: holds documents, not one text; `open_documents` reads them")
    if "languages" in stats:
        raise AnamnesisError(f"{folder}: holds sentence pairs, not one text; `open_pairs` reads them")
    learned, ids = tokenizer.load(folder / "tokenizer.json"), open_split(folder, split)
    if learned.unknown_id is not None and (unknown := int(np.count_nonzero(ids == learned.unknown_id))):
        raise AnamnesisError(f"{folder}: {unknown:,} tokens of {split} are unknown: its text cannot be had from ids")
    found = hashlib.sha256()
    spelled = learned.stream(chain.from_iterable(part.tolist() for part in array_blocks(ids, block)))
    while pieces := list(islice(spelled, block)):
        result = "".join(pieces)
        found.update(result.encode())
        yield result
    if found.hexdigest() != stats["splits"][split]["text_sha256"]:
        raise AnamnesisError(f"{folder}: the ids of {split}, of kind {stats['kind']}, do not give back its text")


def array_blocks(ids: NDArray[Any], block: int = text.BLOCK) -> Iterator[NDArray[Any]]:
    """The ids (tokens,) in consecutive pieces of `block` tokens."""
    for first in range(0, len(ids), block):
        yield ids[first : first + block]


class _Reader:
    """The blocks of a text file, which are counted as they pass; `alphabet`: which characters the training text has."""

    def __init__(
        self, path: Path, advance: Callable[[int], object], block: int, alphabet: np.ndarray | None = None
    ) -> None:
        self.path, self.advance, self.block, self.alphabet = path, advance, block, alphabet
        self.unseen = 0
        self.digest = hashlib.sha256()
        self.characters = 0
        self.seen = np.zeros(text.CODEPOINTS, bool)

    def __iter__(self) -> Iterator[str]:
        for block in text.blocks(self.path, self._observe, self.block):
            self.characters += len(block)
            found = np.bincount(text.codepoints(block))
            self.seen[: len(found)] |= found > 0
            if self.alphabet is not None:
                self.unseen += int(found[~self.alphabet[: len(found)]].sum())
            yield block

    def _observe(self, data: bytes) -> None:
        self.digest.update(data)
        self.advance(len(data))

    def counts(self) -> dict[str, Any]:
        return {
            "characters": self.characters,
            "unseen_characters": self.unseen,
            "text_sha256": self.digest.hexdigest(),
        }
