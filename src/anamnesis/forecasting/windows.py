"""Windows of a series, each with the value that follows it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError
from anamnesis.forecasting.settings import Experiment

Values = NDArray[np.float64]


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
    from anamnesis.tokens.store import open_series

    values = open_series(store, split).values
    training = split == "train"
    least = experiment.model.window + 1 if training else experiment.steps
    if len(values) < least:
        key = "`model.window`" if training else "`steps`"
        raise AnamnesisError(f"{store}: found {len(values):,} values in {split}; {key} asks for at least {least:,}")
    return values


def with_past(store: Path, split: str, window: int) -> Values:
    """The values of a split after the `window` values that came before them in time: (window + values,).

    Every value of the split is so a target, whatever the window: its past is known when one forecasts it. The past is
    the end of the splits that come earlier by their first time; where there is no more of it, the mean of the training
    values stands for each missing one.

        train  3 1 4 1 5   valid  9 2 6      with_past(valid, 2)    1 5 | 9 2 6

    Raises:
        AnamnesisError: a file of the token store is missing or damaged.
    """
    from anamnesis.tokens.store import SPLITS, open_series

    series = {name: open_series(store, name) for name in SPLITS}
    order = _in_time({name: each.times[0] for name, each in series.items()})
    earlier = [series[name].values for name in order[: order.index(split)]]
    past = np.concatenate([np.full(window, series["train"].values.mean()), *earlier])
    return np.concatenate([past[len(past) - window :], series[split].values])


def _in_time(first: dict[str, str]) -> list[str]:
    """Splits by their first times: by value where all are numbers, else as texts, as ISO dates sort."""
    try:
        numbers = {name: float(time) for name, time in first.items()}
    except ValueError:
        return sorted(first, key=first.__getitem__)
    return sorted(numbers, key=numbers.__getitem__)


def standard(values: Values) -> tuple[float, float]:
    """Mean and standard deviation of a series (values,), to standardise it with.

    Raises:
        AnamnesisError: all values are the same.
    """
    mean, scale = float(values.mean()), float(values.std())
    if not scale > 0 or not np.isfinite(scale):
        raise AnamnesisError(f"found {len(values):,} values with a standard deviation of {scale:g}; allowed: above 0")
    return mean, scale
