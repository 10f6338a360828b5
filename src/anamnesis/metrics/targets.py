"""Scores of targets under predicted distributions: log-probability, and whether they are among the most probable."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    # The baselines use this module without PyTorch.
    from torch import Tensor


class TargetScores(NamedTuple):
    """For each target, in arrays of one shape: the natural logarithm of its probability, and its `credit` for being the
    most probable token (`top1`) or among the five most probable ones (`top5`)."""

    log_probabilities: NDArray[np.float64]
    top1: NDArray[np.float64]
    top5: NDArray[np.float64]


def credit(better: NDArray[np.integer], ties: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    """The chance that a token is among the k most probable ones if ties are ordered at random.

    Without ties it is 1 or 0. So the order of the ids does not count: the accuracy of the uniform model is exactly 1/V.

    Args:
        better: the number of more probable tokens.
        ties: the number of equally probable tokens, with this one.
    """
    return np.clip(k - better, 0, ties) / np.maximum(ties, 1)


def from_distributions(log_probabilities: NDArray[np.floating], targets: NDArray[np.int64]) -> TargetScores:
    """Look `targets` (batch, time) up in log-probabilities (batch, time, vocabulary)."""
    chosen = np.take_along_axis(log_probabilities, targets[..., None], axis=-1)
    better = (log_probabilities > chosen).sum(axis=-1)
    ties = (log_probabilities == chosen).sum(axis=-1)
    return TargetScores(chosen[..., 0].astype(np.float64), credit(better, ties, 1), credit(better, ties, 5))


def from_tensors(log_probabilities: "Tensor", targets: "Tensor") -> TargetScores:
    """As `from_distributions`, computed on the device of the tensors, from which only the scores are copied.

    Args:
        log_probabilities: (..., vocabulary).
        targets: (...), int64.
    """
    chosen = log_probabilities.gather(-1, targets[..., None])
    better = (log_probabilities > chosen).sum(-1).cpu().numpy()
    ties = (log_probabilities == chosen).sum(-1).cpu().numpy()
    return TargetScores(chosen.squeeze(-1).double().cpu().numpy(), credit(better, ties, 1), credit(better, ties, 5))
