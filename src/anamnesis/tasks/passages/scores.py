"""Accuracy and F1 from a confusion matrix."""

import numpy as np
from numpy.typing import NDArray


def confusion(actual: NDArray[np.integer], predicted: NDArray[np.integer], labels: int) -> NDArray[np.int64]:
    """Counts (labels, labels) of documents by actual label, row, and predicted label, column."""
    counts = np.zeros((labels, labels), np.int64)
    np.add.at(counts, (actual, predicted), 1)
    return counts


def accuracy(counts: NDArray[np.int64]) -> float:
    """The share of documents on the diagonal of counts (labels, labels)."""
    return float(np.trace(counts) / counts.sum())


def macro_f1(counts: NDArray[np.int64]) -> float:
    """The mean over labels of F1 = 2 tp / (2 tp + fp + fn), each weighing the same however rare.

    A label that neither occurs nor was ever predicted has no F1 and is left out.
    """
    hits, both = np.diag(counts), counts.sum(0) + counts.sum(1)
    there = both > 0
    return float((2 * hits[there] / both[there]).mean())
