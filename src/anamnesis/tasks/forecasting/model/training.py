"""The training of a forecaster: from a series and settings to examples, network and loss, or a fitted baseline."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.models import read_bytes
from anamnesis.tasks.forecasting.model.examples import Data, Examples
from anamnesis.tasks.forecasting.model.forecaster import Forecaster, free_running, least_squares, neural
from anamnesis.tasks.forecasting.model.values import open_values
from anamnesis.tasks.forecasting.model.words import TOKENIZER, open_words
from anamnesis.tasks.forecasting.settings import AutoRegression, Average, Last, Mean, Network
from anamnesis.training.plan import FittedModel, Job, NetworkPlan, Plan, Sums

# Windows in a validation batch: nothing is learned from them, so the size changes the time only.
VALID_BATCH = 4096


def plan_training(job: Job) -> Plan:
    """The network that forecasts a series, with its data and loss, or a fitted baseline.

    Raises:
        AnamnesisError: the settings do not fit the series.
    """
    experiment, model = job.experiment, job.experiment.model
    words = experiment.series == "words"
    data = open_words(job.store, model.window) if words else open_values(job.store, experiment)
    files = {TOKENIZER: read_bytes(job.store / TOKENIZER)} if words else {}
    arrays: dict[str, NDArray[Any]] = {"words": data.words.ids} if data.words else {}
    parameters = 0
    if not isinstance(model, Last | Average):
        mean = data.average if isinstance(model, Mean) else data.mean
        arrays |= {"mean": np.array([mean]), "scale": np.array([data.scale])}
    if isinstance(model, Network):
        return _plan_network(job, data, arrays, files)
    if isinstance(model, Mean):
        parameters = 1
    if isinstance(model, AutoRegression):
        coefficients, intercept = least_squares(_standardise(data.train, data))
        arrays |= {"coefficients": coefficients, "intercept": np.array([intercept])}
        parameters = len(coefficients) + 1
    return FittedModel(
        arrays, parameters, f"fitted to {len(data.train.targets):,} windows; parameters: {parameters}", files
    )


def _plan_network(job: Job, data: Data, arrays: dict[str, NDArray[Any]], files: dict[str, bytes]) -> NetworkPlan:
    import torch

    from anamnesis.tasks.forecasting.model.network import Batch, forecast_loss, new_network
    from anamnesis.training.batches import Batches
    from anamnesis.training.fit import seed

    experiment = job.experiment

    def batches(examples: Examples, size: int, order: int | None) -> Batches[Batch]:
        parts = (part.astype(np.float32) for part in _standardise(examples, data))
        windows, targets = map(torch.from_numpy, parts)
        return Batches(lambda rows: (windows[rows], targets[rows]), len(targets), size, order)

    train = batches(data.train, experiment.batch, experiment.seed)
    seed(experiment.seed)
    network = new_network(experiment.model)

    def metrics(train: Sums, valid: Sums) -> dict[str, float]:
        """Root mean squared errors in the units of the data."""
        squares = valid.total * data.scale**2 + data.missed.sum()
        return {
            "train_rmse": math.sqrt(train.mean) * data.scale,
            "valid_rmse": math.sqrt(squares / max(valid.count + len(data.missed), 1.0)),
        }

    def sample(epoch: int) -> str:
        """The words that the network writes after the first window of the validation split."""
        assert data.words is not None
        model = Forecaster({}, experiment.model.window, neural(network), data.mean, data.scale, data.words)
        return data.words.spell(free_running(model, data.valid.windows[:1], experiment.steps)[0])

    return NetworkPlan(
        network,
        lambda batch, state: forecast_loss(network, batch),
        train,
        batches(data.valid, VALID_BATCH, None),
        metrics,
        headline="valid_rmse",
        unit="windows",
        units=train.examples,
        files=files,
        arrays=arrays,
        sample=sample if data.words else None,
    )


def _standardise(examples: Examples, data: Data) -> Examples:
    return Examples(*((part - data.mean) / data.scale for part in examples))
