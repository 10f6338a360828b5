"""What a forecaster learns from: windows of a series, each with the value that follows it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anamnesis.tasks.forecasting.model.numbering import Words

Values = NDArray[np.float64]


class Examples(NamedTuple):
    """Windows (targets, window), the oldest value first, and what follows each: targets (targets,)."""

    windows: Values
    targets: Values


@dataclass(frozen=True, eq=False)
class Data:
    """The training and validation split of a series.

    Attributes:
        train, valid: the examples of each split, in the units of the data.
        average: the mean of the training split's values.
        mean, scale: networks and linear regression read (value - mean) / scale.
        words: the words whose numbers are the values; None: the values are measurements.
        missed: squared errors of the average for validation targets without a whole window (targets,).
    """

    train: Examples
    valid: Examples
    average: float
    mean: float
    scale: float
    words: "Words | None" = None
    missed: Values = field(default_factory=lambda: np.empty(0))


def windows(values: Values, window: int) -> Examples:
    """All windows of a series, each one value after the one before it.

        values    3 1 4 1 5      windows of 3    3 1 4    targets  1
                                                 1 4 1             5

    Args:
        values: in the order of time, (values,).
        window: values in a window.

    Returns:
        values - window examples; the windows are a view.

    Raises:
        ValueError: there is no target that has a whole window before it.
    """
    if not window < len(values):
        raise ValueError(f"no value after a window of {window}: found {len(values)}")
    return Examples(np.lib.stride_tricks.sliding_window_view(values, window)[:-1], values[window:])
