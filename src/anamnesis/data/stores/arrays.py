"""Arrays on disk: ids written chunk by chunk, and files that are checked when they are opened."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from anamnesis import files
from anamnesis.data.tokenizers.base import Chunk, Tokenizer
from anamnesis.errors import AnamnesisError

UNSIGNED = (np.uint8, np.uint16, np.uint32)


def write_ids(path: Path, learned: Tokenizer, chunks: Iterable[Chunk]) -> dict[str, Any]:
    """Write a .npy file of ids, chunk by chunk. Returns the counts of the tokens and the digest of the file."""
    dtype = np.min_scalar_type(learned.vocabulary_size - 1)
    tokens = starts = unknown_tokens = unknown_characters = 0
    with growing(path, dtype) as append:
        for chunk in chunks:
            append(chunk.ids)
            tokens += len(chunk.ids)
            unknown_characters += chunk.unknown_characters
            if learned.unknown_id is not None:
                unknown_tokens += int(np.count_nonzero(chunk.ids == learned.unknown_id))
            if learned.start_id is not None:
                starts += int(np.count_nonzero(chunk.ids == learned.start_id))
    return {
        "tokens": tokens,
        # Nothing precedes the first id, and `<s>` is never predicted.
        "targets": tokens - max(starts, 1),
        "unknown_tokens": unknown_tokens,
        "unknown_characters": int(unknown_characters),
        "ids_sha256": files.sha256_file(path),
    }


@contextmanager
def growing(path: Path, dtype: np.dtype) -> Iterator[Callable[[np.ndarray], None]]:
    """A function that appends an array to a .npy file of one axis; the file equals that of np.save."""
    length = 0

    def append(part: np.ndarray) -> None:
        nonlocal length
        file.write(part.astype(dtype, copy=False).data)
        length += len(part)

    with open(path, "wb") as file:
        # The header has the same size for every length: write it now, and again with the final length.
        _write_header(file, dtype, 0)
        yield append
        file.seek(0)
        _write_header(file, dtype, length)


def _write_header(file: Any, dtype: np.dtype, length: int) -> None:
    description = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": description, "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, header)


def open_array(path: Path, what: str, types: tuple[type[np.generic], ...]) -> np.memmap:
    """A .npy file of one axis and one of the types, as a read-only memory map.

    Args:
        path: in the folder of a token store.
        what: the name of its values, for errors.
        types: the allowed ones.

    Raises:
        AnamnesisError: the file is missing or damaged, or holds something else.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise AnamnesisError(f"{path}: no such file; make it first: dvc repro tokenize@{path.parent.name}") from None
    except (ValueError, EOFError, OSError) as error:
        raise AnamnesisError(f"{path}: not an array of {what}: {' '.join(str(error).split())}") from None
    if not isinstance(array, np.memmap) or array.ndim != 1 or array.dtype not in types:
        *others, last = (kind.__name__ for kind in types)
        names = f"{', '.join(others)} or {last}" if others else last
        raise AnamnesisError(f"{path}: not an array of {what}: allowed: one axis of {names}")
    return array
