"""Scores of labels, against their definitions and another library."""

from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from anamnesis.metrics.labels import confusion_csv, scores


def test_scores_are_those_of_another_library():
    random = np.random.default_rng(2)
    actual = random.integers(4, size=200)
    predicted = np.where(random.random(200) < 0.6, actual, random.integers(4, size=200))
    found = scores(actual, predicted)
    both: Any = (torch.from_numpy(predicted), torch.from_numpy(actual), 4)
    assert found["accuracy"] == pytest.approx(float(multiclass_accuracy(*both, average="micro")), rel=1e-5)
    assert found["macro_f1"] == pytest.approx(float(multiclass_f1_score(*both, average="macro")), rel=1e-5)


def test_a_label_that_is_never_right_counts_and_one_that_is_not_there_does_not():
    # Label 0: F1 = 2 * 2 / (2 * 2 + 1); label 1: 0; label 2 neither occurs nor is predicted.
    assert scores(np.array([0, 0, 1]), np.array([0, 0, 0])) == {"accuracy": 0.666667, "macro_f1": 0.4}


def test_confusion_counts_every_pair_of_labels():
    text = confusion_csv(["a", "b, c", "d"], np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0]))
    assert text.splitlines() == [
        "actual,predicted,count",
        "a,a,1",
        'a,"b, c",1',
        "a,d,0",
        '"b, c",a,1',
        '"b, c","b, c",2',
        '"b, c",d,0',
        "d,a,0",
        'd,"b, c",0',
        "d,d,0",
    ]
