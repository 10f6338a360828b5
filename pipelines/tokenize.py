"""The tokenize stage: `python -P pipelines/tokenize.py TOKENS` writes data/tokens/TOKENS."""

import sys
from pathlib import Path

from anamnesis import console, params
from anamnesis.tokens import store


def main() -> None:
    name = sys.argv[1]
    entry = params.lookup(params.load().tokens, name, "token store")
    sources = store.sources(entry.corpus)
    sizes = {split: path.stat().st_size for split, path in sources.items()}
    with console.progress() as progress:
        bar = progress.add_task(f"tokenize {name} (kB)", total=(sum(sizes.values()) + sizes["train"]) / 1000)
        stats = store.write(
            Path("data/tokens") / name, entry, sources, lambda count: progress.advance(bar, count / 1000)
        )
    splits = stats["splits"].values()
    tokens = " + ".join(f"{split['tokens']:,}" for split in splits)
    unknown = sum(split["unknown_tokens"] for split in splits) / sum(split["tokens"] for split in splits)
    console.summary(
        "tokenize", name, f"{tokens} {entry.kind}, vocabulary {stats['vocabulary_size']:,}, {unknown:.2%} unknown"
    )


if __name__ == "__main__":
    console.run(main)
