"""The fetch stage: `python -P pipelines/fetch.py CORPUS` writes data/raw/CORPUS."""

from anamnesis import console, params
from anamnesis.stages.fetch import fetch


def main() -> None:
    root, (name,) = console.arguments("CORPUS")
    corpus = params.lookup(params.load(root / params.PARAMS).corpora, name, "corpus")
    console.summary("fetch", name, fetch(name, corpus, root))


if __name__ == "__main__":
    console.run(main)
