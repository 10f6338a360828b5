"""The tokenize stage: `python -P pipelines/tokenize.py TOKENS` writes data/tokens/TOKENS."""

from pathlib import Path

from anamnesis import console, params
from anamnesis.stages.tokenize import tokenize


def main() -> None:
    name = console.argument("TOKENS")
    entry = params.lookup(params.load().tokens, name, "token store")
    console.summary("tokenize", name, tokenize(name, entry, Path()))


if __name__ == "__main__":
    console.run(main)
