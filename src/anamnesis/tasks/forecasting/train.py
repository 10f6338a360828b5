"""The train stage of a forecaster: from token store and settings to a model folder."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console
from anamnesis import models as saved
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting.forecaster import least_squares
from anamnesis.tasks.forecasting.settings import AutoRegression, Average, Experiment, Last, Network
from anamnesis.tasks.forecasting.windows import Values, split_values, standard, windows, with_past
from anamnesis.training.watch import StartWatch, Watch, watched


def train(name: str, experiment: Experiment, root: Path, start: StartWatch) -> None:
    """Train one experiment and write models/NAME; an interrupted training goes on from its last checkpoint.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.
        start: opens a listener to the run.

    Raises:
        AnamnesisError: the loss is NaN or infinite, or the settings do not fit the series.
    """
    store = root / "data" / "tokens" / experiment.tokens
    inputs = saved.inputs_digest(experiment, store)
    watched(start, name, experiment, inputs, root, lambda watch: _train(name, experiment, root, store, inputs, watch))


def _train(name: str, experiment: Experiment, root: Path, store: Path, inputs: str, watch: Watch) -> dict[str, Any]:
    from anamnesis.data.stores.store import read_stats

    stats, model = read_stats(store), experiment.model
    values = {split: split_values(store, split, experiment) for split in ("train", "valid", "test")}
    entries = {"train_text_sha256": stats["splits"]["train"]["text_sha256"]}
    arrays: dict[str, NDArray[Any]] = {}
    if not isinstance(model, Last | Average):
        try:
            mean, scale = standard(values["train"])
        except AnamnesisError as error:
            raise AnamnesisError(f"{store}: train: {error}") from None
        arrays = {"mean": np.array([mean]), "scale": np.array([scale])}
    if isinstance(model, Network):
        valid = with_past(store, "valid", model.window)
        return _train_network(
            name, experiment, model, root, stats, inputs, watch, values["train"], valid, arrays, entries
        )
    parameters = 0
    if isinstance(model, AutoRegression):
        coefficients, intercept = least_squares((values["train"] - mean) / scale, model.window)
        arrays |= {"coefficients": coefficients, "intercept": np.array([intercept])}
        parameters = len(coefficients) + 1
    card = saved.new_card(name, experiment, stats, parameters, None, inputs) | entries
    card = saved.store(root, name, arrays, card, {})
    console.summary("train", name, f"{parameters} parameters, from {len(values['train']):,} values")
    return card


def _train_network(
    name: str,
    experiment: Experiment,
    model: Network,
    root: Path,
    stats: dict[str, Any],
    inputs: str,
    watch: Watch,
    values: Values,
    valid: Values,
    arrays: dict[str, NDArray[Any]],
    entries: dict[str, Any],
) -> dict[str, Any]:
    """Train the network on the training split's `values`; `valid` are those of `windows.with_past`."""
    import torch

    from anamnesis.stages.train import train_network
    from anamnesis.tasks.forecasting.module import Batch, ForecastModule
    from anamnesis.tasks.forecasting.network import new_network
    from anamnesis.training.batches import Batches
    from anamnesis.training.fit import seed

    torch.set_num_threads(1)
    assert experiment.training is not None

    def batches(series: Values, size: int, order: int | None) -> Batches[Batch]:
        cut = windows((series - arrays["mean"]) / arrays["scale"], model.window)
        read, targets = (torch.from_numpy(each.astype(np.float32)) for each in cut)
        return Batches(lambda rows: (read[rows], targets[rows]), len(targets), size, order)

    train = batches(values, experiment.batch, experiment.seed)
    seed(experiment.seed)
    module = ForecastModule(new_network(model), experiment.training, len(train), float(arrays["scale"][0]))
    return train_network(
        name,
        experiment,
        root,
        stats,
        inputs,
        watch,
        module,
        train,
        # Nothing is learned from the held-out windows, so that large batches change nothing but time.
        batches(valid, 4096, None),
        headline="valid_rmse",
        epoch=("windows", train.examples),
        entries=entries,
        arrays=arrays,
    )
