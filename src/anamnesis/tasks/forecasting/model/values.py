"""Series of measured values: their splits, the past of each split, and their mean and scale."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from anamnesis.data.stores.store import SPLITS, open_series
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting.model.examples import Data, Values, windows
from anamnesis.tasks.forecasting.settings import Average, Experiment, Last

# The splits that a window may reach back into.
PAST = {"train": (), "valid": ("train",), "test": ("train", "valid")}


def open_values(store: Path, experiment: Experiment) -> Data:
    """The training and validation examples of a series of values.

    Raises:
        AnamnesisError: a split has too few values, all training values are the same, or a file of the token store is
            missing or damaged.
    """
    model = experiment.model
    values = {split: split_values(store, split, experiment) for split in SPLITS}["train"]
    mean, scale = 0.0, 1.0
    if not isinstance(model, Last | Average):
        try:
            mean, scale = mean_and_scale(values)
        except AnamnesisError as error:
            raise AnamnesisError(f"{store}: train: {error}") from None
    valid = windows(with_past(store, "valid", model.window), model.window)
    return Data(windows(values, model.window), valid, mean, mean, scale)


def split_values(store: Path, split: str, experiment: Experiment) -> Values:
    """The values of a split (values,).

    Raises:
        AnamnesisError: there are fewer than the experiment needs, or a file of the token store is missing or damaged.
    """
    values = open_series(store, split).values
    training = split == "train"
    least = experiment.model.window + 1 if training else experiment.steps
    if len(values) < least:
        key = "`model.window`" if training else "`steps`"
        raise AnamnesisError(f"{store}: found {len(values):,} values in {split}; {key} asks for at least {least:,}")
    return values


def with_past(store: Path, split: str, window: int) -> Values:
    """The values of a split after the `window` values that came just before it in time: (window + values,).

    So every value of the split is a target, whatever the window: its past is known when one forecasts it. The mean of
    the training values stands for a missing value and for all values before it. No value of the test split precedes
    the validation split, because models are chosen on the latter.

        train  3 1 4 1 5   valid  9 2 6      with_past(valid, 2)    1 5 | 9 2 6

    Raises:
        AnamnesisError: a file of the token store is missing or damaged.
    """
    series = {name: open_series(store, name) for name in SPLITS}
    moment = _moment([time for each in series.values() for time in each.times[:1]])
    start = moment(series[split].times[0])
    earlier = sorted(
        (moment(time), name, value)
        for name, each in series.items()
        for time, value in zip(each.times, each.values.tolist(), strict=True)
        if name != split and moment(time) < start
    )
    past: list[float] = []
    for _, name, value in reversed(earlier[-window:]):
        if name not in PAST[split]:
            break
        past.append(value)
    missing = np.full(window - len(past), series["train"].values.mean())
    return np.concatenate([missing, past[::-1], series[split].values])


def _moment(times: list[str]) -> Callable[[str], Any]:
    """The key that sorts times: their numbers if all are numbers, else their texts, as ISO dates sort."""
    try:
        for time in times:
            float(time)
    except ValueError:
        return str
    return float


def mean_and_scale(values: Values) -> tuple[float, float]:
    """Mean and standard deviation of a series (values,).

    Raises:
        AnamnesisError: all values are the same.
    """
    mean, scale = float(values.mean()), float(values.std())
    if not scale > 0 or not np.isfinite(scale):
        raise AnamnesisError(f"found {len(values):,} values with a standard deviation of {scale:g}; allowed: above 0")
    return mean, scale
