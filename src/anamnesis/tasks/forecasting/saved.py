"""A forecaster as a folder of files, see `training.saved`: `mean` and `scale` of the training split stand beside the
weights, all of them arrays of one number; the floors `last` and `average` need nothing."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from anamnesis import models as saved
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting import forecaster
from anamnesis.tasks.forecasting.forecaster import Forecaster
from anamnesis.tasks.forecasting.settings import AutoRegression, Average, Last, Model, Network
from anamnesis.tasks.forecasting.windows import Values

ONE = np.ones(1)


def load(folder: Path) -> Forecaster:
    """Read a forecaster, after checking every file against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or the arrays do not fit the card; the line names it.
    """
    card, weights = saved.read(folder)
    try:
        if card.get("task") != "forecasting":
            raise ValueError
        settings: Model = TypeAdapter(Model).validate_python(card.get("model"))
    except (ValidationError, ValueError):
        raise AnamnesisError(f"{folder}: not a model that forecasts") from None
    names = {} if isinstance(settings, Last | Average) else {"mean": 1, "scale": 1}
    if isinstance(settings, AutoRegression):
        names |= {"coefficients": settings.window, "intercept": 1}
    arrays = {name: weights.pop(name, np.empty(0)) for name in names}
    sound = all(_numbers(value, names[name]) for name, value in arrays.items()) and bool(arrays.get("scale", ONE) > 0)
    if not sound or (weights and not isinstance(settings, Network)):
        raise AnamnesisError(f"{folder}: the weights are not those of the model that model.json describes")
    mean, scale = (float(arrays.get(name, usual)[0]) for name, usual in (("mean", 0 * ONE), ("scale", ONE)))
    match settings:
        case Last():
            return Forecaster(card, settings.window, forecaster.last)
        case Average():
            return Forecaster(card, settings.window, forecaster.average)
        case AutoRegression():
            linear = forecaster.linear(arrays["coefficients"], float(arrays["intercept"][0]))
            return Forecaster(card, settings.window, linear, mean, scale)
    import torch

    from anamnesis.tasks.forecasting.network import new_network

    network = saved.network(folder, lambda: new_network(settings), weights)

    def step(read: Values) -> Values:
        with torch.inference_mode():
            found: Values = network(torch.from_numpy(read.astype(np.float32))).numpy().astype(np.float64)
        return found

    return Forecaster(card, settings.window, step, mean, scale)


def _numbers(value: NDArray[Any], size: int) -> bool:
    """Whether an array is (size,) finite numbers."""
    return value.shape == (size,) and value.dtype == np.float64 and bool(np.isfinite(value).all())
