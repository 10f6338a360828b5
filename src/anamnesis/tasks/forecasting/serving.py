"""What a registered forecaster answers: the numbers of a series in, those that follow out."""

import math
from typing import Any

import numpy as np

from anamnesis import serving
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting import saved
from anamnesis.tasks.forecasting.forecaster import Forecaster, free_running

load = saved.load


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A series that can be asked of a model, and the options it takes with their usual values."""
    return [", ".join(str(number) for number in range(1, card["model"].get("window", 1) + 1))], {"steps": 1}


def answer(model: Forecaster, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The values that follow each series: numbers with commas between them, as in the texts; none for an empty text.

    Args:
        texts: each as many numbers as the model's window or more, in the order of time.
        options: `steps`, how many values to forecast.

    Raises:
        AnamnesisError: a text is no list of numbers or has too few, or an option is not allowed.
    """
    steps = serving.complete(options, example(model.card)[1])["steps"]
    starts = {number: _window(model, number, text) for number, text in serving.numbered(texts).items()}
    if not starts:
        return serving.place({}, texts)
    found = free_running(model, np.array(list(starts.values())), steps)
    values = {number: ", ".join(f"{value:.6g}" for value in row) for number, row in zip(starts, found, strict=True)}
    return serving.place(values, texts)


def _window(model: Forecaster, number: int, text: str) -> list[float]:
    """The last numbers of a text, as many as the window."""
    series = []
    for cell in text.split(","):
        try:
            series.append(float(cell))
        except ValueError:
            series.append(math.nan)
        if not math.isfinite(series[-1]):
            raise AnamnesisError(f"text {number}: found {cell.strip()[:40]!r}; allowed: numbers with commas between")
    if len(series) < model.window:
        raise AnamnesisError(f"text {number}: found {len(series)} numbers; allowed: {model.window} or more")
    return series[-model.window :]
