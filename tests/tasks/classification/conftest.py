"""A small project folder: labelled documents in words and in characters, a language model, and small networks."""

import csv
import random
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import pytest
import torch
from listener import Recorder
from pydantic import TypeAdapter

from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.stages.train import train
from anamnesis.tasks.classification.settings import Experiment
from anamnesis.tasks.language.settings import Experiment as LanguageExperiment

Rows = list[tuple[str, str]]
TOPICS = {"grain": ["wheat", "corn", "harvest"], "crude": ["oil", "barrel", "opec"], "ship": ["port", "vessel"]}
COMMON = ["the", "a", "prices", "of", "rose", "fell", "said", "in"]
NETWORKS: dict[str, dict[str, Any]] = {
    **{each: {"architecture": each} for each in ("rnn", "lstm", "lstm-gates")},
    "lstm-layer-norm": {"architecture": "lstm", "norm": "layer", "layers": 2},
    "gru-residual": {"architecture": "gru", "residual": True, "embedding": 8, "layers": 2},
    "birnn-gru": {"architecture": "birnn", "cell": "gru"},
    "deep-birnn": {"architecture": "birnn", "layers": 3},
    "cnn-lstm": {"architecture": "cnn-lstm", "channels": 5, "width": 3, "pool": 2},
    "cnn-lstm-wide": {"architecture": "cnn-lstm", "channels": 4, "width": 4, "pool": 3, "layers": 2},
}


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    # Networks as small as these only wait for other threads.
    torch.set_num_threads(1)


def documents(number: int, seed: int, topics: dict[str, list[str]] = TOPICS) -> Rows:
    """Labelled documents of 1 to 12 words, one of which occurs in one topic only."""
    chance = random.Random(seed)
    rows = []
    for index in range(number):
        label = list(topics)[index % len(topics)]
        words = chance.choices(COMMON, k=chance.randint(0, 11))
        words.insert(chance.randint(0, len(words)), chance.choice(topics[label]))
        rows.append((label, " ".join(words)))
    return rows


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


def passages() -> dict[str, Rows]:
    """What the store `letters` holds: passages of a text, a third of them in capitals; the last one of the validation
    split has a character that the training split does not have."""
    text = "".join(topics[name] for name in sorted(topics))
    pieces = [text[first : first + 60 + first % 50] for first in range(10_000, 40_000, 110)]
    rows = [("loud", piece.upper()) if index % 3 == 0 else ("plain", piece) for index, piece in enumerate(pieces)]
    return {"train": rows[:200], "valid": [*rows[200:230], ("plain", "an unknown \u03a9 here")], "test": rows[230:260]}


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/tokens/words, data/tokens/letters, and models/start, a language model of characters."""
    root = tmp_path_factory.mktemp("documents")
    write_store(root, splits())
    write_store(root, passages(), "letters", kind="characters")
    text, sources = "".join(topics[name] for name in sorted(topics)), {}
    for number, split in enumerate(store.SPLITS):
        sources[split] = root / f"{split}.txt"
        sources[split].write_text(text[number * 8000 : (number + 1) * 8000], encoding="utf-8")
    entry: Tokens = TypeAdapter(Tokens).validate_python({"corpus": "text", "kind": "characters"})
    store.write(root / "data" / "tokens" / "text", entry, sources)
    content = {
        "task": "language",
        "tokens": "text",
        "model": {"architecture": "gru", "hidden": 16},
        "batches": {"kind": "streams", "batch": 8, "steps": 20},
        "training": {"epochs": 1, "learning_rate": 0.01},
        "sampling": {"length": 5},
    }
    train("start", LanguageExperiment.model_validate(content), root, Recorder())
    return root


@pytest.fixture
def project(stores: Path, tmp_path: Path) -> Path:
    """A fresh project folder that shares the token stores and the language model."""
    (tmp_path / "data").symlink_to(stores / "data")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "start").symlink_to(stores / "models" / "start")
    return tmp_path


@pytest.fixture(scope="session")
def experiment() -> Callable[..., Experiment]:
    """experiment(architecture or model block, training={...}, ...): settings with small budgets; blocks are merged."""

    def make(block: str | dict[str, Any] = "gru", **changes: Any) -> Experiment:
        block = {"architecture": block} if isinstance(block, str) else {"architecture": "gru"} | block
        architecture = block["architecture"]
        content: dict[str, Any] = {
            "task": "classification",
            "tokens": "words",
            "batch": 7,
            "model": {},
            "training": {"epochs": 3, "learning_rate": 0.02, "checkpoint_steps": 5},
        }
        match architecture:
            case "tfidf":
                content["training"] = None
            case "histogram":
                content["tokens"] = "letters"
            case "language-model":
                content |= {"tokens": "letters", "needs": "models/start"}
                content["model"] |= {"hidden": 8, "dropout": 0.2}
            case _:
                content["model"] |= {"hidden": 8, "embedding": 6, "length": 8}
        content["model"] |= block
        for key, value in changes.items():
            content[key] = {**(content[key] or {}), **value} if isinstance(value, dict) else value
        return Experiment.model_validate(content)

    return make
