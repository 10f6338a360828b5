"""The tokenize stage: from a fetched corpus to a token store."""

from pathlib import Path
from typing import Any

from anamnesis import console
from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import Tokens


def tokenize(name: str, entry: Tokens, root: Path) -> str:
    """Write `ROOT/data/tokens/NAME/` and show a progress bar. Returns the summary of the store.

    Raises:
        AnamnesisError: as `store.sources` and `store.write`.
    """
    sources = store.sources(entry.corpus, root)
    sizes = {split: path.stat().st_size for split, path in sources.items()}
    with console.progress() as progress:
        bar = progress.add_task(f"tokenize {name} (kB)", total=(sum(sizes.values()) + sizes["train"]) / 1000)
        stats = store.write(
            root / "data" / "tokens" / name, entry, sources, lambda count: progress.advance(bar, count / 1000)
        )
    return summary(stats)


def summary(stats: dict[str, Any]) -> str:
    """One line with the sizes of a token store, from the content of its stats.json."""
    splits = stats["splits"].values()
    for what in ("images", "values"):
        if all(what in split for split in splits):
            return " + ".join(f"{split[what]:,}" for split in splits) + f" {what}"
    tokens = " + ".join(f"{split['tokens']:,}" for split in splits)
    total = sum(split["tokens"] + split.get("source_tokens", 0) for split in splits)
    unknown = sum(split["unknown_tokens"] for split in splits) / total
    what, size = stats["kind"], f"{stats['vocabulary_size']:,}"
    if "labels" in stats:
        number = sum(split["documents"] for split in splits)
        what += f" of {number:,} documents with {len(stats['labels'])} labels"
    if "languages" in stats:
        number, left_out = (sum(split[key] for split in splits) for key in ("pairs", "left_out"))
        what = f"target tokens of {number:,} {stats['kind']} ({left_out:,} longer training pairs left out)"
        size = f"{stats['source_vocabulary_size']:,} -> {size}"
    counted = ""
    if "different_words" in stats:
        counted = f"; {stats['words']:,} words, {stats['different_words']:,} of them different"
    return f"{tokens} {what}, vocabulary {size}, {unknown:.2%} unknown{counted}"
