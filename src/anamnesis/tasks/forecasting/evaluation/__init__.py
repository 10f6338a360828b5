"""The evaluation of a forecaster: errors one step ahead and many, beside those of simple baselines."""

from pathlib import Path
from typing import Any

from anamnesis.metrics.results import Evaluation, Progress
from anamnesis.tasks.forecasting.evaluation import values, words
from anamnesis.tasks.forecasting.model.forecaster import Forecaster


def evaluate(model: Forecaster, store: Path, experiment: Any, progress: Progress) -> Evaluation:
    """The errors of a forecaster on the validation and test splits; `values` and `words` say more."""
    of_series = values if model.words is None else words
    return of_series.evaluate(model, store, experiment, progress)
