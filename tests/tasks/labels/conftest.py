"""A small project folder with labelled documents, and networks small enough for milliseconds."""

import csv
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.tasks.classification.settings import Experiment

Rows = list[tuple[str, str]]
TOPICS = {"grain": ["wheat", "corn", "harvest"], "crude": ["oil", "barrel", "opec"], "ship": ["port", "vessel"]}
COMMON = ["the", "a", "prices", "of", "rose", "fell", "said", "in"]
NETWORKS: dict[str, dict[str, Any]] = {
    **{each: {"architecture": each} for each in ("rnn", "rnn-relu", "irnn", "gru", "lstm", "lstm-gates")},
    "lstm-layer-norm": {"architecture": "lstm", "norm": "layer", "layers": 2},
    "gru-residual": {"architecture": "gru", "residual": True, "embedding": 8, "layers": 2},
    **{f"birnn-{cell}": {"architecture": "birnn", "cell": cell} for cell in ("rnn", "gru", "lstm")},
    "deep-birnn": {"architecture": "birnn", "layers": 3},
    "cnn-lstm": {"architecture": "cnn-lstm", "channels": 5, "width": 3, "pool": 2},
    "cnn-lstm-wide": {"architecture": "cnn-lstm", "channels": 4, "width": 4, "pool": 3, "layers": 2},
}


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    # Networks as small as these only wait for other threads.
    torch.set_num_threads(1)


def documents(number: int, seed: int, topics: dict[str, list[str]] = TOPICS) -> Rows:
    """Labelled documents of 1 to 12 words, one of which gives the topic away."""
    chance = random.Random(seed)
    made = []
    for index in range(number):
        label = list(topics)[index % len(topics)]
        words = chance.choices(COMMON, k=chance.randint(0, 11))
        words.insert(chance.randint(0, len(words)), chance.choice(topics[label]))
        made.append((label, " ".join(words)))
    return made


def write_store(root: Path, splits: dict[str, Rows], name: str = "words", **entry: Any) -> Path:
    """data/tokens/NAME of labelled documents."""
    sources = {}
    for split, rows in splits.items():
        sources[split] = root / f"{split}.csv"
        with open(sources[split], "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("label", "text"), *rows])
    settings: Tokens = TypeAdapter(Tokens).validate_python({"corpus": "small", "kind": "words", **entry})
    store.write(root / "data" / "tokens" / name, settings, sources)
    return root / "data" / "tokens" / name


def splits() -> dict[str, Rows]:
    """What the store `words` holds; the last word of the validation documents is unknown."""
    valid = [(label, f"{text} zeppelin") for label, text in documents(18, 2)]
    return {"train": documents(60, 1), "valid": valid, "test": documents(24, 3)}


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/tokens/words."""
    root = tmp_path_factory.mktemp("documents")
    write_store(root, splits())
    return root


@pytest.fixture
def project(stores: Path, tmp_path: Path) -> Path:
    """A fresh project folder that shares the token store."""
    (tmp_path / "data").symlink_to(stores / "data")
    return tmp_path


@pytest.fixture(scope="session")
def experiment() -> Callable[..., Experiment]:
    """experiment(model={...}, training={...}, ...): settings with small budgets."""

    def make(model: dict[str, Any] | None = None, **changes: Any) -> Experiment:
        described = {"architecture": "gru"} | (model or {})
        network = described["architecture"] != "tfidf"
        content: dict[str, Any] = {
            "task": "classification",
            "reads": "documents",
            "tokens": "words",
            "length": 8,
            "batch": 7,
            "model": ({"hidden": 8, "embedding": 6} if network else {}) | described,
            "training": {"epochs": 3, "learning_rate": 0.02, "checkpoint_steps": 5} if network else None,
        }
        for key, value in changes.items():
            content[key] = {**content[key], **value} if isinstance(value, dict) else value
        return Experiment.model_validate(content)

    return make
