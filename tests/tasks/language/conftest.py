"""Token stores of a real text in each kind of token, and baselines on them."""

from pydoc_data.topics import topics

import pytest
import toys as toy
from pydantic import TypeAdapter

from anamnesis import models
from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import Tokens

KINDS = {
    "characters": {"kind": "characters"},
    "bigrams": {"kind": "bigrams"},
    "words": {"kind": "words", "minimum_count": 2},
    "subwords": {"kind": "subwords", "size": 400},
}


@pytest.fixture(scope="session")
def stores(tmp_path_factory):
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
def baseline(stores):
    """baseline(kind, architecture, order): a trained baseline on the store of that kind."""

    def load(kind, architecture="ngram", order=3):
        name, changes = f"{kind}-{architecture}{order}", {"order": order} if architecture == "ngram" else {}
        if not (stores / "models" / name).exists():
            settings = toy.settings(f"language-{architecture}", tokens=kind, model=changes)
            toy.train(name, stores, experiment=settings)
        return models.load(stores / "models" / name)

    return load
