"""How well a distribution foresaw the token that came: its log-probability, and its place among the likeliest."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class TargetScores(NamedTuple):
    """About each target, arrays of one shape: the natural logarithm of its probability, and its `credit` among the
    single likeliest token (`top1`) and the five likeliest (`top5`)."""

    log_probabilities: NDArray[np.float64]
    top1: NDArray[np.float64]
    top5: NDArray[np.float64]


def credit(better: NDArray[np.integer], ties: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    """The chance that a token is among the k likeliest, when equally likely tokens are ordered at random.

    Without ties it is 1 or 0. It keeps the order of the ids out of an accuracy: the uniform model's is exactly 1/V.

    Args:
        better: how many tokens are more likely than this one.
        ties: how many are as likely, this one included.
    """
    return np.clip(k - better, 0, ties) / np.maximum(ties, 1)


def from_distributions(log_probabilities: NDArray[np.floating], targets: NDArray[np.int64]) -> TargetScores:
    """Look `targets` (batch, time) up in log-probabilities (batch, time, vocabulary)."""
    found = np.take_along_axis(log_probabilities, targets[..., None], axis=-1)
    better = (log_probabilities > found).sum(axis=-1)
    ties = (log_probabilities == found).sum(axis=-1)
    return TargetScores(found[..., 0].astype(np.float64), credit(better, ties, 1), credit(better, ties, 5))
