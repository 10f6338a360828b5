"""Windows of a series, each with the value that follows it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError
from anamnesis.forecasting.settings import Experiment

Values = NDArray[np.float64]


def windows(values: Values, window: int, first: int | None = None) -> tuple[Values, Values]:
    """All windows of a series, one after each other, and what they are followed by.

        values    3 1 4 1 5      windows of 3    3 1 4    targets  1
                                                 1 4 1             5

    Args:
        values: in the order of time, (values,).
        window: values in a window.
        first: index of the first target; None: `window`, the first that has a whole window before it.

    Returns:
        Windows (targets, window), a view, and targets (targets,); of (values,) there are values - first.

    Raises:
        ValueError: a target would have no whole window before it, or there is none.
    """
    first = window if first is None else first
    if not window <= first < len(values):
        raise ValueError(f"no window of {window} before value {first} of {len(values)}")
    found = np.lib.stride_tricks.sliding_window_view(values, window)
    return found[first - window : -1], values[first:]


def split_values(store: Path, split: str, experiment: Experiment) -> Values:
    """The values of a split (values,), as many as the experiment needs.

    Raises:
        AnamnesisError: there are too few, or a file of the token store is missing or damaged.
    """
    from anamnesis.tokens.store import open_series

    values = open_series(store, split).values
    training = split == "train"
    least = experiment.model.window + 1 if training else experiment.context + experiment.steps
    if len(values) < least:
        keys = "`model.window`" if training else "`context` and `steps`"
        raise AnamnesisError(f"{store}: found {len(values):,} values in {split}; {keys} ask for at least {least:,}")
    return values


def standard(values: Values) -> tuple[float, float]:
    """Mean and standard deviation of a series (values,), to standardise it with.

    Raises:
        AnamnesisError: all values are the same.
    """
    mean, scale = float(values.mean()), float(values.std())
    if not scale > 0 or not np.isfinite(scale):
        raise AnamnesisError(f"found {len(values):,} values with a standard deviation of {scale:g}; allowed: above 0")
    return mean, scale
