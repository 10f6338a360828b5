"""The fetch stage: `python -P pipelines/fetch.py CORPUS` writes data/raw/CORPUS."""

from anamnesis import console, params
from anamnesis.stages.fetch import fetch


def main() -> None:
    name = console.argument("CORPUS")
    console.summary("fetch", name, fetch(name, params.lookup(params.load().corpora, name, "corpus")))


if __name__ == "__main__":
    console.run(main)
