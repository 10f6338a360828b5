"""The stage `fetch`: python -P pipelines/fetch.py CORPUS"""

import argparse

from anamnesis import console, params


def main() -> None:
    """Bring one corpus of params.yaml to data/raw/."""
    parser = argparse.ArgumentParser(description="bring a corpus of params.yaml to canonical text and splits")
    parser.add_argument("corpus", help="an entry of `corpora`")
    name = parser.parse_args().corpus
    corpus = params.lookup(params.load().corpora, name, "corpus")

    from anamnesis.corpora.fetch import fetch

    console.summary("fetch", name, fetch(name, corpus))


if __name__ == "__main__":
    console.run(main)
