"""Tasks: one package for each, with one name for the package, the `task:` key and the leaderboard.

    settings.py         `Experiment`: the keys of an experiment
    model/training.py   `plan_training(job)`: the network with its data and loss, or a fitted baseline
    loading.py          `load(model_folder)`: a trained model, ready to use
    evaluation/         `evaluate(model, store, experiment, progress)`: its scores and predictions
    prediction.py       `example(card)` and `answer(model, texts, options)`: the served model

What training imports stands in `model`, so that an edit elsewhere leaves trained models up to date.
"""

from importlib import import_module
from typing import Any

NAMES = (
    "language",
    "cloze",
    "classification",
    "video",
    "captioning",
    "translation",
    "forecasting",
    "memory",
)


def part(task: str, name: str) -> Any:
    """The module `name`, such as "model.training", of a task's package."""
    return import_module(f"anamnesis.tasks.{task}.{name}")
