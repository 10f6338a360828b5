"""A small project folder: token stores of a real text in each kind of token, and baselines on them."""

from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import pytest
import torch
from listener import Recorder
from pydantic import TypeAdapter

from anamnesis import models
from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.stages.train import train
from anamnesis.tasks.language.model.language_model import LanguageModel
from anamnesis.tasks.language.settings import Experiment

KINDS = {
    "characters": {"kind": "characters"},
    "bigrams": {"kind": "bigrams"},
    "words": {"kind": "words", "minimum_count": 2},
    "subwords": {"kind": "subwords", "size": 400},
}


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    # Networks as small as these only wait for other threads.
    torch.set_num_threads(1)


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
def baseline(stores: Path) -> Callable[..., LanguageModel]:
    """baseline(kind, architecture, order): a trained baseline on the store of that kind."""

    def load(kind: str, architecture: str = "ngram", order: int = 3) -> Any:
        model = {"architecture": architecture} | ({"order": order} if architecture == "ngram" else {})
        name = f"{kind}-{architecture}{order}"
        if not (stores / "models" / name).exists():
            content = {"task": "language", "tokens": kind, "model": model}
            train(name, Experiment.model_validate(content), stores, Recorder())
        return models.load(stores / "models" / name)

    return load
