"""How a series of the user's own goes on."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting.model.examples import Values, windows
from anamnesis.tasks.forecasting.model.forecaster import Forecaster, free_running
from anamnesis.tasks.forecasting.model.values import mean_and_scale


class Continuation(NamedTuple):
    """How a series goes on.

    Attributes:
        fit: forecasts one step ahead of the values that have a whole window before them, (values - window,).
        ahead: forecasts of the values that follow the last one, (steps,).
    """

    fit: Values
    ahead: Values


def continue_series(model: Forecaster, values: Values, steps: int, rescale: bool = False) -> Continuation:
    """Forecast how a series goes on, and each of its values from those before it.

    Args:
        values: in the order of time (values,).
        steps: values to forecast.
        rescale: standardise with the mean and the scale of these values, not those of the training series.

    Raises:
        AnamnesisError: there are fewer values than the model reads, they are all the same though `rescale` is set, or
            a forecast is not finite.
    """
    if len(values) < model.window:
        raise AnamnesisError(f"found {len(values):,} values; the model reads {model.window:,} to make one forecast")
    if rescale:
        mean, scale = mean_and_scale(values)
        model = replace(model, mean=mean, scale=scale)
    fit = model.predict(windows(values, model.window).windows) if len(values) > model.window else np.empty(0)
    return Continuation(fit, free_running(model, values[None], steps)[0])


def distance(model: Forecaster, values: Values) -> float:
    """The distance of the median of values (values,) from the mean of the training series, in standard deviations.

    0 for a model that does not standardise, because it fits any units.
    """
    if (model.mean, model.scale) == (0.0, 1.0):
        return 0.0
    return float(abs(np.median(values) - model.mean) / model.scale)
