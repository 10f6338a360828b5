"""The loss and the epoch metrics of every network that classifies."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from anamnesis.training.plan import Loss, Sums

Batch = tuple[tuple[Any, ...], Tensor]
"""The network's arguments, and the labels (batch,), int64."""


def new_sums(labels: int) -> Mapping[str, Tensor]:
    """The sums of `classification_loss` before the first batch: a confusion matrix (labels, labels) of zeros."""
    return {"confusion": torch.zeros(labels, labels, dtype=torch.int64)}


def classification_loss(network: nn.Module, batch: Batch) -> Loss:
    """Cross-entropy in nats of the network's logits (batch, labels).

    In validation it also counts `confusion` (labels, labels): rows are true labels, columns predicted ones.
    """
    inputs, labels = batch
    logits = network(*inputs)
    if network.training:
        mean = nn.functional.cross_entropy(logits, labels)
        return Loss(mean.detach() * len(labels), len(labels), mean)
    size = logits.shape[-1]
    pairs = torch.bincount(labels * size + logits.argmax(-1), minlength=size * size)
    total = nn.functional.cross_entropy(logits, labels, reduction="sum")
    return Loss(total, len(labels), sums={"confusion": pairs.view(size, size)})


def epoch_metrics(train: Sums, valid: Sums) -> dict[str, float]:
    """Mean losses in nats, and accuracy and macro F1 of the validation split.

    Macro F1 is the mean of F1 = 2 tp / (2 tp + fp + fn) over the labels that occur or were predicted.
    """
    confusion = valid.more["confusion"].double()
    hits, seen = confusion.diagonal(), confusion.sum(0) + confusion.sum(1)
    return {
        "train_loss": train.mean,
        "valid_loss": valid.mean,
        "valid_accuracy": float(hits.sum() / confusion.sum().clamp(min=1)),
        "valid_macro_f1": float((2 * hits[seen > 0] / seen[seen > 0]).mean()) if seen.any() else 0.0,
    }
