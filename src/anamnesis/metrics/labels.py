"""Scores of predicted labels: accuracy, macro F1, confusion."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from anamnesis.metrics.results import csv_text, round_score


def scores(actual: NDArray[Any], predicted: NDArray[Any]) -> dict[str, float]:
    """`accuracy` and `macro_f1` of labels (examples,), integers from 0, rounded as metrics are.

    Macro F1 is the mean of F1 = 2 tp / (2 tp + fp + fn) over the labels that occur or were predicted.
    """
    from sklearn.metrics import accuracy_score, f1_score

    return {
        "accuracy": round_score(float(accuracy_score(actual, predicted))),
        "macro_f1": round_score(float(f1_score(actual, predicted, average="macro", zero_division=0.0))),
    }


def confusion_csv(labels: Sequence[str], actual: NDArray[Any], predicted: NDArray[Any]) -> str:
    """The content of confusion.csv: rows actual,predicted,count of every pair of labels, label by label.

    Args:
        labels: names by number.
        actual, predicted: numbers (examples,).
    """
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(actual, predicted, labels=range(len(labels)))
    rows = [
        (truth, guess, int(counts[row, column]))
        for row, truth in enumerate(labels)
        for column, guess in enumerate(labels)
    ]
    return csv_text([("actual", "predicted", "count"), *rows])
