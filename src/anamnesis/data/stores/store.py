"""A token store on disk: `write` makes one of a fetched corpus, `read_stats` and the `open_` functions read it.

Each form of corpus has a module that writes and opens its arrays: `texts`, `documents`, `pairs`, `images`, `series`.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from anamnesis import files
from anamnesis.data.stores import documents, images, pairs, series, tables, texts
from anamnesis.data.stores.documents import Documents, open_documents
from anamnesis.data.stores.images import Images, open_images
from anamnesis.data.stores.pairs import Pairs, open_pairs, pair_texts
from anamnesis.data.stores.series import Series, open_series
from anamnesis.data.stores.texts import array_blocks, open_split, open_unknown
from anamnesis.data.tokenizers import settings
from anamnesis.errors import AnamnesisError

__all__ = [
    "SPLITS",
    "Documents",
    "Images",
    "Pairs",
    "Series",
    "array_blocks",
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
# Columns of a fetched table, () for a text -> its name in errors, the kinds of tokens it can have, the writer.
FORMS: dict[tuple[str, ...], tuple[str, Any, Callable[..., dict[str, Any]]]] = {
    (): ("running text", settings.TextTokens, texts.write),
    documents.COLUMNS: ("a table of documents", settings.DocumentTokens, documents.write),
    pairs.COLUMNS: ("a table of sentence pairs", settings.PairTokens, pairs.write),
    images.COLUMNS: ("a table of images", settings.ImageTokens, images.write),
    series.COLUMNS: ("a series of numbers", settings.SeriesTokens, series.write),
}


def sources(corpus: str, root: Path = Path()) -> dict[str, Path]:
    """The file of each split of a fetched corpus: a text (`.txt`), or a table (`.csv`).

    Raises:
        AnamnesisError: a file is missing.
    """
    folder = root / "data" / "raw" / corpus
    suffix = "csv" if (folder / "train.csv").exists() else "txt"
    paths = {split: folder / f"{split}.{suffix}" for split in SPLITS}
    for path in paths.values():
        if not path.exists():
            raise AnamnesisError(f"{path}: no such file; fetch it first: anamnesis repro fetch@{corpus}")
    return paths


def write(
    folder: Path,
    entry: settings.Tokens,
    sources: dict[str, Path],
    advance: Callable[[int], object] = lambda count: None,
) -> dict[str, Any]:
    """Write a token store: learn the tokenizer from the training split, and turn every split into ids.

    Memory does not grow with the text, except for tables of the training split's words and of the strings between
    words, and for sentence pairs, of which one split is in memory at a time.

    Args:
        folder: the store, which replaces an older one in one step.
        entry: the kind of tokens.
        sources: the file of each split, all texts or all tables; "train" must be among them.
        advance: called with the number of bytes read; the training split counts twice.

    Returns:
        The content of stats.json.

    Raises:
        AnamnesisError: the corpus has another form than the kind of tokens needs; a split is missing, empty, without
            words or not UTF-8; or as the writer of the form says.
    """
    path, columns = sources["train"], tuple[str, ...]()
    if path.suffix == ".csv":
        columns = tuple(tables.columns(path, *(columns for columns in FORMS if columns)))
    form, kinds, write_form = FORMS[columns]
    if not isinstance(entry, kinds):
        *others, last = (get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(kinds) or (kinds,))
        allowed = f"{', '.join(others)} or {last}" if others else last
        raise AnamnesisError(f"corpus {entry.corpus!r} is {form}: found kind {entry.kind!r}; allowed: {allowed}")
    with files.new_folder(folder) as new:
        stats = write_form(new, entry, sources, advance)
        files.write_json(new / "stats.json", stats)
    return stats


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
        raise AnamnesisError(f"{path}: no such file; make it first: dvc repro tokenize@{folder.name}") from None
    except (ValueError, AttributeError, RecursionError) as error:
        raise AnamnesisError(f"{path}: not the counts of a token store: {error}") from None
    return stats


def text_blocks(folder: Path, split: str) -> Iterator[str]:
    """The text of a split, byte for byte as in the corpus, with the lines that separate documents, in blocks.

    Raises:
        AnamnesisError: the ids do not determine the text: unknown tokens, words, or a table; or a file is missing or
            damaged.
    """
    return texts.text_blocks(folder, split, read_stats(folder))
