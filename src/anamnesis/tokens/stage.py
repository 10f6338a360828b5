"""The tokenize stage: from a fetched corpus to a token store."""

from pathlib import Path

from anamnesis import console
from anamnesis.tokens import store
from anamnesis.tokens.settings import Tokens


def tokenize(name: str, entry: Tokens, root: Path) -> str:
    """Make data/tokens/NAME, with a progress bar; a line that says what is in it.

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
    splits = stats["splits"].values()
    tokens = " + ".join(f"{split['tokens']:,}" for split in splits)
    unknown = sum(split["unknown_tokens"] for split in splits) / sum(split["tokens"] for split in splits)
    number = sum(split.get("documents", 0) for split in splits)
    held = f" of {number:,} documents with {len(stats['labels'])} labels" if number else ""
    return f"{tokens} {entry.kind}{held}, vocabulary {stats['vocabulary_size']:,}, {unknown:.2%} unknown"
