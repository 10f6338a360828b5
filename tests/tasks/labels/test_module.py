"""The module and the scores: against the definitions, batch by batch and in one."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from anamnesis.metrics.labels import confusion_csv, scores
from anamnesis.tasks.labels.module import ClassificationModule
from anamnesis.training.settings import Training


def test_an_epoch_is_weighted_by_examples() -> None:
    torch.manual_seed(1)
    network = nn.Linear(5, 3)
    module = ClassificationModule(network, Training(epochs=1, learning_rate=0.1), 2)
    inputs, labels = torch.randn(11, 5), torch.randint(3, (11,))
    with torch.no_grad():
        chances = network(inputs).softmax(-1)
        module.on_validation_epoch_start()
        for some in (slice(0, 8), slice(8, 11)):
            loss = module.training_step((inputs[some], labels[some]), 0)
            each = [-math.log(float(row[label])) for row, label in zip(chances[some], labels[some], strict=True)]
            assert float(loss) == pytest.approx(sum(each) / len(each), rel=1e-5)
            module.validation_step((inputs[some], labels[some]), 0)
    nats = [-math.log(float(row[label])) for row, label in zip(chances, labels, strict=True)]
    row = module.epoch_row()
    assert list(row) == ["train_loss", "valid_loss", "valid_accuracy"]
    assert row["train_loss"] == row["valid_loss"] == pytest.approx(sum(nats) / 11, rel=1e-5)
    assert row["valid_accuracy"] == pytest.approx(float((chances.argmax(1) == labels).double().mean()))
    module.on_validation_epoch_start()
    assert module.epoch_row()["valid_accuracy"] == 0


def test_scores_are_those_of_another_library() -> None:
    random = np.random.default_rng(2)
    actual = random.integers(4, size=200)
    predicted = np.where(random.random(200) < 0.6, actual, random.integers(4, size=200))
    found = scores(actual, predicted)
    both: Any = (torch.from_numpy(predicted), torch.from_numpy(actual), 4)
    assert found["accuracy"] == pytest.approx(float(multiclass_accuracy(*both, average="micro")), rel=1e-5)
    assert found["macro_f1"] == pytest.approx(float(multiclass_f1_score(*both, average="macro")), rel=1e-5)


def test_a_label_that_is_never_right_counts_and_one_that_is_not_there_does_not() -> None:
    # Label 0: F1 = 2 * 2 / (2 * 2 + 1); label 1: 0; label 2 neither occurs nor is predicted.
    assert scores(np.array([0, 0, 1]), np.array([0, 0, 0])) == {"accuracy": 0.666667, "macro_f1": 0.4}


def test_confusion_counts_every_pair_of_labels() -> None:
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
