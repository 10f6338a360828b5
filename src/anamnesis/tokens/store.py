"""The ids of a corpus on disk: one array per split, the tokenizer, and what there is to count."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from anamnesis import files
from anamnesis.errors import AnamnesisError
from anamnesis.tokens import settings, text, tokenizer
from anamnesis.tokens.base import Tokenizer

SPLITS = ("train", "valid", "test")


def sources(corpus: str, root: Path = Path()) -> dict[str, Path]:
    """The text file of each split of a fetched corpus.

    Raises:
        AnamnesisError: the corpus is not there, or it is a table, not a text.
    """
    folder = root / "data" / "raw" / corpus
    found = {split: folder / f"{split}.txt" for split in SPLITS}
    for split, path in found.items():
        if not path.exists() and path.with_suffix(".csv").exists():
            raise AnamnesisError(f"corpus {corpus!r} is a table ({split}.csv); only a text ({split}.txt) is tokenized")
        if not path.exists():
            raise AnamnesisError(f"{path}: there is no such file; fetch it first: dvc repro fetch@{corpus}")
    return found


def write(
    folder: Path,
    entry: settings.Tokens,
    sources: dict[str, Path],
    advance: Callable[[int], object] = lambda count: None,
    block: int = text.BLOCK,
) -> dict[str, Any]:
    """Make a token store: learn the tokenizer from the training split, turn every split into ids.

    Memory does not grow with the text, but for the table of the different words of the training split.

    Args:
        folder: takes the place of what was there, in one step.
        sources: the text file of each split; "train" must be among them.
        advance: told how many bytes were read; all in all, the training split counts twice.
        block: bytes to read at once; the result does not depend on it.

    Returns:
        The content of stats.json.

    Raises:
        AnamnesisError: a split is missing, is empty, holds no word, or is not UTF-8.
    """
    with files.new_folder(folder) as new:
        learned = tokenizer.learn(entry, text.blocks(sources["train"], lambda data: advance(len(data)), block))
        tokenizer.save(learned, new / "tokenizer.json")
        stats: dict[str, Any] = {
            "corpus": entry.corpus,
            "kind": entry.kind,
            "vocabulary_size": learned.vocabulary_size,
            "splits": {},
        }
        for split, source in sources.items():
            reader = _Reader(source, advance, block)
            counts = _write_ids(new / f"{split}.npy", learned, reader)
            if not counts["tokens"]:
                raise AnamnesisError(f"{source}: there is nothing in it to tokenize")
            stats["splits"][split] = counts | reader.counts()
            if split == "train":
                stats["alphabet"] = int(np.count_nonzero(reader.seen))
        files.write_json(new / "stats.json", stats)
    return stats


def open_split(folder: Path, split: str) -> np.memmap:
    """The ids of a split: uint8, uint16 or uint32, shape (tokens,), read-only, paged in from the disk as they are used.

    Raises:
        AnamnesisError: the file is missing or damaged.
    """
    path = folder / f"{split}.npy"
    try:
        ids = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise AnamnesisError(
            f"{path}: there is no such file; make it first: dvc repro tokenize@{folder.name}"
        ) from None
    except (ValueError, EOFError, OSError) as error:
        raise AnamnesisError(f"{path}: not an array of ids: {' '.join(str(error).split())}") from None
    if not isinstance(ids, np.memmap) or ids.ndim != 1 or ids.dtype not in (np.uint8, np.uint16, np.uint32):
        raise AnamnesisError(f"{path}: not an array of ids: allowed: one axis of uint8, uint16 or uint32")
    return ids


def read_stats(folder: Path) -> dict[str, Any]:
    """The content of stats.json.

    Raises:
        AnamnesisError: the file is missing or damaged.
    """
    path = folder / "stats.json"
    try:
        stats = json.loads(path.read_bytes())
        if not {"corpus", "kind", "vocabulary_size", "alphabet", "splits"} <= stats.keys():
            raise ValueError("a key is missing")
    except FileNotFoundError:
        raise AnamnesisError(
            f"{path}: there is no such file; make it first: dvc repro tokenize@{folder.name}"
        ) from None
    except (ValueError, AttributeError) as error:
        raise AnamnesisError(f"{path}: not the counts of a token store: {error}") from None
    return stats


class _Reader:
    """The blocks of a text file, which are counted as they pass."""

    def __init__(self, path: Path, advance: Callable[[int], object], block: int) -> None:
        self.path, self.advance, self.block = path, advance, block
        self.digest = hashlib.sha256()
        self.characters = 0
        self.seen = np.zeros(text.CODEPOINTS, bool)

    def __iter__(self) -> Iterator[str]:
        for block in text.blocks(self.path, self._observe, self.block):
            self.characters += len(block)
            found = np.bincount(text.codepoints(block))
            self.seen[: len(found)] |= found > 0
            yield block

    def _observe(self, data: bytes) -> None:
        self.digest.update(data)
        self.advance(len(data))

    def counts(self) -> dict[str, Any]:
        return {"characters": self.characters, "text_sha256": self.digest.hexdigest()}


def _write_ids(path: Path, learned: Tokenizer, blocks: Iterable[str]) -> dict[str, Any]:
    """Write the .npy file that np.save would, without holding the ids in memory; count them."""
    dtype = np.min_scalar_type(learned.vocabulary_size - 1)
    tokens = starts = unknown_tokens = unknown_characters = 0
    with open(path, "wb") as file:
        # The header leaves room for any length, so it is written twice: as long as the length is unknown, and after.
        _write_header(file, dtype, 0)
        for chunk in learned.chunks(blocks):
            file.write(chunk.ids.astype(dtype, copy=False).data)
            tokens += len(chunk.ids)
            unknown_characters += chunk.unknown_characters
            if learned.unknown_id is not None:
                unknown_tokens += int(np.count_nonzero(chunk.ids == learned.unknown_id))
            if learned.start_id is not None:
                starts += int(np.count_nonzero(chunk.ids == learned.start_id))
        file.seek(0)
        _write_header(file, dtype, tokens)
    return {
        "tokens": tokens,
        # The first id of all has nothing before it to predict it from, and `<s>` is never predicted.
        "targets": tokens - max(starts, 1),
        "unknown_tokens": unknown_tokens,
        "unknown_characters": int(unknown_characters),
        "ids_sha256": files.sha256_file(path),
    }


def _write_header(file: Any, dtype: np.dtype, length: int) -> None:
    description = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": description, "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, header)
