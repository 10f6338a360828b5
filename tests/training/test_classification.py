"""The loss and the metrics of an epoch do not depend on how the examples are cut into batches."""

import pytest
import torch
from torch import nn
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from anamnesis.training.classification import classification_loss, epoch_metrics, new_sums
from anamnesis.training.plan import Sums


def test_an_epoch_is_weighted_by_examples() -> None:
    torch.manual_seed(1)
    network = nn.Linear(5, 4)
    with torch.no_grad():
        # Label 3 neither occurs nor is predicted.
        network.bias[3] = -100.0
    inputs, labels = torch.randn(11, 5), torch.randint(3, (11,))
    logits = network(inputs).detach()
    train, valid, confusion = 0.0, 0.0, new_sums(4)["confusion"]
    for rows in (slice(0, 8), slice(8, 11)):
        batch = ((inputs[rows],), labels[rows])
        loss = classification_loss(network.train(), batch)
        assert loss.mean is not None
        assert float(loss.mean.detach()) == pytest.approx(
            float(nn.functional.cross_entropy(logits[rows], labels[rows]))
        )
        train += float(loss.total)
        loss = classification_loss(network.eval(), batch)
        valid += float(loss.total)
        confusion += loss.sums["confusion"]
    nats = float(nn.functional.cross_entropy(logits, labels))
    row = epoch_metrics(Sums(train, 11), Sums(valid, 11, {"confusion": confusion}))
    assert row["train_loss"] == pytest.approx(nats, rel=1e-5)
    assert row["valid_loss"] == pytest.approx(nats, rel=1e-5)
    predicted = logits.argmax(-1)
    assert row["valid_accuracy"] == pytest.approx(float(multiclass_accuracy(predicted, labels, 4, average="micro")))
    assert row["valid_macro_f1"] == pytest.approx(float(multiclass_f1_score(predicted, labels, 4, average="macro")))
