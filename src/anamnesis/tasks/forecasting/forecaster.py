"""What every model of a series is: a function from windows to next values, one step or many steps ahead."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from anamnesis import deadline
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting.windows import Values, standard, windows

# Numbers in the windows of one batch: what a forecast takes does not grow with the series.
BLOCK = 1 << 20


@dataclass(frozen=True, eq=False)
class Forecaster:
    """A model of a series.

    Attributes:
        card: its card, model.json.
        window: values that a forecast is made from.
        step: standardised windows (windows, window) -> the standardised next values (windows,), float64.
        mean, scale: what values are standardised with, (value - mean) / scale.
    """

    card: dict[str, Any]
    window: int
    step: Callable[[Values], Values]
    mean: float = 0.0
    scale: float = 1.0

    def predict(self, read: Values) -> Values:
        """The next value after each of the windows (windows, window), in the units of the data: (windows,)."""
        rows = max(1, BLOCK // self.window)
        # Values beyond single precision give forecasts that are not finite, which `free_running` refuses.
        with np.errstate(over="ignore", invalid="ignore"):
            found = [
                self.step((read[first : first + rows] - self.mean) / self.scale) for first in range(0, len(read), rows)
            ]
            return np.concatenate(found) * self.scale + self.mean

    def distance(self, values: Values) -> float:
        """How many standard deviations of the training series lie between its mean and the median of values (values,).

        0 for a model that does not standardise, and so fits any units.
        """
        if (self.mean, self.scale) == (0.0, 1.0):
            return 0.0
        return float(abs(np.median(values) - self.mean) / self.scale)

    def rescaled(self, values: Values) -> "Forecaster":
        """The same model, standardising with the mean and the scale of a series (values,) instead of its own.

        Raises:
            AnamnesisError: all values are the same.
        """
        mean, scale = standard(values)
        return replace(self, mean=mean, scale=scale)


def last(read: Values) -> Values:
    """The floor that says the last value again: (windows, window) -> (windows,)."""
    return read[:, -1]


def average(read: Values) -> Values:
    """The floor that says the window's mean: (windows, window) -> (windows,)."""
    found: Values = read.mean(axis=1)
    return found


def linear(coefficients: Values, intercept: float) -> Callable[[Values], Values]:
    """The step of an AR model: next value = intercept + window . coefficients (window,), the oldest value first."""

    def step(read: Values) -> Values:
        found: Values = read @ coefficients + intercept
        return found

    return step


def least_squares(values: Values, window: int) -> tuple[Values, float]:
    """An AR model of a series (values,) by ordinary least squares: coefficients (window,), the oldest first; intercept.

    Where windows depend linearly on each other, as those of a series without noise do, the smallest coefficients.
    """
    read, targets = windows(values, window)
    design = np.column_stack([read, np.ones(len(read))])
    found: Values = np.linalg.lstsq(design, targets)[0].astype(np.float64)
    return found[:-1], float(found[-1])


def free_running(model: Forecaster, starts: Values, steps: int) -> Values:
    """Forecasts of many steps, in which a model reads its own forecasts, from several origins side by side.

    Args:
        starts: the values before each origin, (origins, window or more).
        steps: values to forecast.

    Returns:
        The forecasts (origins, steps), in the units of the data.

    Raises:
        AnamnesisError: they leave the range of numbers, as those of an unstable model may.
    """
    series = np.concatenate([starts[:, -model.window :], np.empty((len(starts), steps))], axis=1)
    for step in range(steps):
        deadline.check()
        series[:, model.window + step] = model.predict(series[:, step : model.window + step])
    found = series[:, model.window :]
    if not np.isfinite(found).all():
        raise AnamnesisError(f"{model.card.get('experiment')}: forecasts of {steps} steps grow without bound; ask less")
    return found


class Onwards(NamedTuple):
    """How a series goes on.

    Attributes:
        fit: forecasts one step ahead of the values that have a whole window before them, (values - window,).
        ahead: forecasts of what follows the last value, (steps,).
    """

    fit: Values
    ahead: Values


def onwards(model: Forecaster, values: Values, steps: int, rescale: bool = False) -> Onwards:
    """Forecast how a series goes on, with a look at how well each of its values was foreseen.

    Args:
        values: in the order of time (values,).
        steps: values to forecast.
        rescale: standardise with the mean and the scale of these values, not those of the training series.

    Raises:
        AnamnesisError: there are fewer values than the model reads, they are all the same where that cannot be, or the
            forecasts leave the range of numbers.
    """
    if len(values) < model.window:
        raise AnamnesisError(f"found {len(values):,} values; the model reads {model.window:,} to make one forecast")
    if rescale:
        model = model.rescaled(values)
    fit = model.predict(windows(values, model.window)[0]) if len(values) > model.window else np.empty(0)
    return Onwards(fit, free_running(model, values[None], steps)[0])
