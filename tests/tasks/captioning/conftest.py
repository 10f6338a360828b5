"""A small project folder: a store of real digits, and networks small enough for milliseconds."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from anamnesis.data.stores import store
from anamnesis.data.stores.images import COLUMNS
from anamnesis.data.tokenizers.settings import ImageTokens
from anamnesis.tasks.captioning.network import Captioner
from anamnesis.tasks.captioning.rows import Captioned, width
from anamnesis.tasks.captioning.settings import Experiment, Network

SPLITS = {"train": range(0, 120), "valid": range(120, 160), "test": range(160, 220)}
NETWORKS = ("cnn-rnn", "cnn-gru", "cnn-lstm")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    # Networks as small as these only wait for other threads.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/tokens/digits and, of other digits, data/tokens/others."""
    root = tmp_path_factory.mktemp("project")
    pixels, labels = load_digits(return_X_y=True)
    for name, first in (("digits", 0), ("others", 300)):
        sources = {}
        for split, rows in SPLITS.items():
            sources[split] = root / f"{split}.csv"
            chosen = np.array(rows) + first
            table = np.column_stack([pixels[chosen], labels[chosen]]).astype(int)
            with open(sources[split], "w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([COLUMNS, *table.tolist()])
        entry = ImageTokens(kind="images", corpus="small")
        store.write(root / "data" / "tokens" / name, entry, sources)
    return root


@pytest.fixture
def project(stores: Path, tmp_path: Path) -> Path:
    """A fresh project folder that shares the token stores."""
    (tmp_path / "data").symlink_to(stores / "data")
    return tmp_path


@pytest.fixture(scope="session")
def experiment() -> Callable[..., Experiment]:
    """experiment(architecture, model={...}, training={...}, ...): settings with small budgets."""

    def make(architecture: str = "cnn-gru", **changes: Any) -> Experiment:
        network = architecture in NETWORKS
        content: dict[str, Any] = {
            "task": "captioning",
            "tokens": "digits",
            "rows": {"train": 60, "valid": 20, "test": 24},
            "model": {
                "architecture": architecture,
                **({"channels": 2, "hidden": 8, "embedding": 4, "dropout": 0.2} if network else {}),
            },
            "training": {"epochs": 3, "learning_rate": 0.01, "checkpoint_steps": 3} if network else None,
            "batch": 8,
        }
        for key, value in changes.items():
            content[key] = {**(content.get(key) or {}), **value} if isinstance(value, dict) else value
        return Experiment.model_validate(content)

    return make


@pytest.fixture(scope="session")
def network() -> Callable[..., Captioner]:
    """network(architecture, scale): in evaluation mode, its weights large enough to tell letters apart."""

    def make(architecture: str = "cnn-gru", scale: float = 0.5, longest: int = 4, **more: Any) -> Captioner:
        torch.manual_seed(3)
        settings = {"channels": 2, "hidden": 6, "embedding": 4, **more}
        made = Captioner(Network(architecture=architecture, **settings), width(longest))
        for parameter in made.parameters():
            torch.nn.init.normal_(parameter, std=scale)
        return made.eval()

    return make


@pytest.fixture(scope="session")
def images() -> Callable[..., Captioned]:
    """images(number, longest): random pixels with random readings of 1 to `longest` digits."""

    def make(number: int = 7, longest: int = 4) -> Captioned:
        random = np.random.default_rng(5)
        return Captioned(
            random.integers(256, size=(number, 12, width(longest)), dtype=np.uint8),
            random.integers(10, size=(number, longest)),
            random.integers(1, longest + 1, number),
        )

    return make
