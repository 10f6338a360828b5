"""A small project folder: token stores of a real text in each kind of token, without any pipeline stage."""

from pathlib import Path
from pydoc_data.topics import topics

import pytest
from pydantic import TypeAdapter

from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.tasks.language.settings import Experiment

KINDS = {
    "characters": {"kind": "characters"},
    "bigrams": {"kind": "bigrams"},
    "words": {"kind": "words", "minimum_count": 2},
    "subwords": {"kind": "subwords", "size": 400},
}


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/tokens/KIND of an English text with a few letters that are not ASCII."""
    root = tmp_path_factory.mktemp("project")
    text = "".join(topics[name] for name in sorted(topics)).replace("import", "impört").replace("class", "cläss€")
    sources = {}
    for split, share in (("train", text[:30_000]), ("valid", text[30_000:33_000]), ("test", text[33_000:38_000])):
        sources[split] = root / f"{split}.txt"
        sources[split].write_text(share, encoding="utf-8")
    for kind, entry in KINDS.items():
        settings = TypeAdapter(Tokens).validate_python({"corpus": "manual", **entry})
        store.write(root / "data" / "tokens" / kind, settings, sources)
    return root


@pytest.fixture(scope="session")
def experiment():
    """experiment(kind, architecture='ngram', order=3, **more): the settings of a baseline on the store of that kind."""

    def make(kind: str, architecture: str = "ngram", **more) -> Experiment:
        order = {"order": more.pop("order", 3)} if architecture == "ngram" else {}
        content = {"task": "language", "tokens": kind, "model": {"architecture": architecture, **order}, **more}
        return Experiment.model_validate(content)

    return make


@pytest.fixture(scope="session")
def trained(stores: Path, experiment):
    """trained(kind, architecture, ...): the folder of a baseline, counted once."""
    from anamnesis.tasks.language import baselines

    def make(kind: str, architecture: str = "ngram", **more) -> Path:
        name = "-".join([kind, architecture, *(f"{key}{value}".replace(" ", "") for key, value in more.items())])
        folder = stores / "models" / name
        if not folder.exists():
            baselines.fit(name, experiment(kind, architecture, **more), stores, "digest")
        return folder

    return make
