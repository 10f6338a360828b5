"""The tokenize stage: `python -P pipelines/tokenize.py TOKENS` writes data/tokens/TOKENS."""

from anamnesis import console, params
from anamnesis.stages.tokenize import tokenize


def main() -> None:
    root, (name,) = console.arguments("TOKENS")
    entry = params.lookup(params.load(root / params.PARAMS).tokens, name, "token store")
    console.summary("tokenize", name, tokenize(name, entry, root))


if __name__ == "__main__":
    console.run(main)
