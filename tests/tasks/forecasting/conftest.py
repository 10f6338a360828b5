"""A project folder with a store of a short noisy series, and networks small enough for milliseconds."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import SeriesTokens
from anamnesis.tasks.forecasting.settings import Experiment

SIZES = {"train": 90, "valid": 40, "test": 50}


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    # In networks as small as these, a second thread only waits.
    torch.set_num_threads(1)


def write_store(root: Path, splits: dict[str, Any], name: str = "waves") -> Path:
    """data/tokens/NAME of values, at the times 0, 1, 2, ..."""
    root.mkdir(parents=True, exist_ok=True)
    sources, time = {}, 0
    for split, values in splits.items():
        sources[split] = root / f"{split}.csv"
        rows = [(time + index, f"{value:.6f}") for index, value in enumerate(values)]
        time += len(rows)
        with open(sources[split], "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("time", "value"), *rows])
    store.write(root / "data" / "tokens" / name, SeriesTokens(corpus="waves", kind="series"), sources)
    return root / "data" / "tokens" / name


@pytest.fixture(scope="session")
def series() -> dict[str, Any]:
    """The values of each split: a wave around 40 with noise."""
    chance = np.random.default_rng(3)
    time = np.arange(sum(SIZES.values()))
    values = np.round(40 + 9 * np.sin(time / 4) + chance.normal(0, 1, len(time)), 3)
    ends = np.cumsum(list(SIZES.values()))
    return dict(zip(SIZES, np.split(values, ends[:-1]), strict=True))


@pytest.fixture
def project(tmp_path: Path, series: dict[str, Any]) -> Path:
    """A project folder with data/tokens/waves."""
    write_store(tmp_path, series)
    return tmp_path


@pytest.fixture(scope="session")
def experiment() -> Callable[..., Experiment]:
    """experiment(architecture, model={...}, training={...}, ...): settings with small budgets."""

    def make(architecture: str = "lstm", **changes: Any) -> Experiment:
        network = architecture in ("fc", "rnn", "gru", "lstm")
        content: dict[str, Any] = {
            "task": "forecasting",
            "tokens": "waves",
            "model": {
                "architecture": architecture,
                **({} if architecture == "last" else {"window": 4}),
                **({"hidden": 3} if network else {}),
            },
            "batch": 16,
            "steps": 7,
            "training": {"epochs": 3, "learning_rate": 0.02, "checkpoint_steps": 4} if network else None,
        }
        for key, value in changes.items():
            content[key] = {**(content.get(key) or {}), **value} if isinstance(value, dict) else value
        return Experiment.model_validate(content)

    return make
