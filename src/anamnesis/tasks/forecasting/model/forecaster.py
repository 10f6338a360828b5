"""A model of a series: a function from windows to next values, one step or many steps ahead."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anamnesis import deadline
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting.model.examples import Examples, Values
from anamnesis.tasks.forecasting.model.numbering import Words

if TYPE_CHECKING:
    from torch import nn

# Values in the windows of one batch, so that memory does not grow with the series.
BLOCK = 1 << 20


@dataclass(frozen=True, eq=False)
class Forecaster:
    """A model of a series.

    Attributes:
        card: the model's card.
        window: values that a forecast is made from.
        step: standardised windows (windows, window) -> the standardised next values (windows,), float64.
        mean, scale: windows are standardised by (value - mean) / scale.
        words: the words whose numbers are the values; None: the values are measurements.
    """

    card: dict[str, Any]
    window: int
    step: Callable[[Values], Values]
    mean: float = 0.0
    scale: float = 1.0
    words: Words | None = None

    def predict(self, windows: Values) -> Values:
        """The next value after each window (windows, window), in the units of the data: (windows,)."""
        rows = max(1, BLOCK // self.window)
        # Values beyond single precision give forecasts that are not finite, which `free_running` refuses.
        with np.errstate(over="ignore", invalid="ignore"):
            parts = [windows[first : first + rows] for first in range(0, len(windows), rows)]
            steps = [self.step((part - self.mean) / self.scale) for part in parts]
            return np.concatenate(steps) * self.scale + self.mean


def last(windows: Values) -> Values:
    """A baseline that repeats the last value: (windows, window) -> (windows,)."""
    return windows[:, -1]


def average(windows: Values) -> Values:
    """A baseline that forecasts the window's mean: (windows, window) -> (windows,)."""
    return np.asarray(windows.mean(axis=1))


def zero(windows: Values) -> Values:
    """A baseline that forecasts the mean of the series, standardised: (windows, window) -> zeros (windows,)."""
    return np.zeros(len(windows))


def linear(coefficients: Values, intercept: float) -> Callable[[Values], Values]:
    """The step of an AR model: intercept + window . coefficients (window,), the oldest value first."""
    return lambda windows: np.asarray(windows @ coefficients + intercept)


def neural(network: "nn.Module") -> Callable[[Values], Values]:
    """The step of a network, (batch, window) -> (batch,), on the network's device."""
    import torch

    def step(windows: Values) -> Values:
        device = next(network.parameters()).device
        with torch.inference_mode():
            outputs: Values = network(torch.from_numpy(windows.astype(np.float32)).to(device)).double().cpu().numpy()
        return outputs

    return step


def least_squares(examples: Examples) -> tuple[Values, float]:
    """An AR model by ordinary least squares: coefficients (window,), the oldest first, and intercept.

    Where windows depend linearly on each other, as those of a series without noise do, the smallest coefficients.
    """
    design = np.column_stack([examples.windows, np.ones(len(examples.windows))])
    solution: Values = np.linalg.lstsq(design, examples.targets)[0].astype(np.float64)
    return solution[:-1], float(solution[-1])


def free_running(model: Forecaster, starts: Values, steps: int) -> Values:
    """Forecasts of many steps, in which a model reads its own forecasts, from several origins side by side.

    A model of word numbers reads, and returns, the numbers of words nearest to its forecasts.

    Args:
        starts: the values before each origin, (origins, window or more).
        steps: values to forecast.

    Returns:
        The forecasts (origins, steps), in the units of the data.

    Raises:
        AnamnesisError: a forecast is not finite, as may happen with an unstable model.
    """
    series = np.concatenate([starts[:, -model.window :], np.empty((len(starts), steps))], axis=1)
    for step in range(steps):
        deadline.check()
        forecasts = model.predict(series[:, step : model.window + step])
        series[:, model.window + step] = forecasts if model.words is None else model.words.nearest(forecasts)
    forecasts = series[:, model.window :]
    if not np.isfinite(forecasts).all():
        raise AnamnesisError(
            f"{model.card.get('experiment')}: forecasts of {steps} steps grow without bound; ask for fewer"
        )
    return forecasts
