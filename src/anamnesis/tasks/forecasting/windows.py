"""Windows of a series, each with the value that follows it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting.settings import Experiment

Values = NDArray[np.float64]
# The splits that a window may reach back into.
PAST = {"train": (), "valid": ("train",), "test": ("train", "valid")}


def windows(values: Values, window: int) -> tuple[Values, Values]:
    """All windows of a series, one after each other, and what they are followed by.

        values    3 1 4 1 5      windows of 3    3 1 4    targets  1
                                                 1 4 1             5

    Args:
        values: in the order of time, (values,).
        window: values in a window.

    Returns:
        Windows (targets, window), a view, and targets (targets,); of (values,) there are values - window.

    Raises:
        ValueError: there is no target that has a whole window before it.
    """
    if not window < len(values):
        raise ValueError(f"no value after a window of {window}: found {len(values)}")
    found = np.lib.stride_tricks.sliding_window_view(values, window)
    return found[:-1], values[window:]


def split_values(store: Path, split: str, experiment: Experiment) -> Values:
    """The values of a split (values,), as many as the experiment needs.

    Raises:
        AnamnesisError: there are too few, or a file of the token store is missing or damaged.
    """
    from anamnesis.data.stores.store import open_series

    values = open_series(store, split).values
    training = split == "train"
    least = experiment.model.window + 1 if training else experiment.steps
    if len(values) < least:
        key = "`model.window`" if training else "`steps`"
        raise AnamnesisError(f"{store}: found {len(values):,} values in {split}; {key} asks for at least {least:,}")
    return values


def with_past(store: Path, split: str, window: int) -> Values:
    """The values of a split after the `window` values that came just before it in time: (window + values,).

    Every value of the split is so a target, whatever the window: its past is known when one forecasts it. The mean of
    the training values stands for each value that is missing, and for those before it: no value of the test split is
    read when a model is chosen on the validation split.

        train  3 1 4 1 5   valid  9 2 6      with_past(valid, 2)    1 5 | 9 2 6

    Raises:
        AnamnesisError: a file of the token store is missing or damaged.
    """
    from anamnesis.data.stores.store import SPLITS, open_series

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
    """What times are compared by: their numbers if they are numbers, else their texts, as ISO dates sort."""
    try:
        for time in times:
            float(time)
    except ValueError:
        return str
    return float


def standard(values: Values) -> tuple[float, float]:
    """Mean and standard deviation of a series (values,), to standardise it with.

    Raises:
        AnamnesisError: all values are the same.
    """
    mean, scale = float(values.mean()), float(values.std())
    if not scale > 0 or not np.isfinite(scale):
        raise AnamnesisError(f"found {len(values):,} values with a standard deviation of {scale:g}; allowed: above 0")
    return mean, scale
