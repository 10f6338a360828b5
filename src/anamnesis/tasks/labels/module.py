"""The Lightning module that trains a network to tell labels, whatever it reads."""

from typing import Any

import torch
from torch import Tensor, nn

from anamnesis.training.module import TaskModule
from anamnesis.training.settings import Training

Batch = tuple[Any, Tensor]
"""What the network reads, and the labels (batch,), int64."""


class ClassificationModule(TaskModule):
    """Trains `network`, which makes logits (batch, labels) of what it reads, by cross-entropy in nats.

    Attributes:
        valid_hits: validation examples so far whose label has the largest logit, a scalar.
    """

    valid_hits: Tensor

    def __init__(self, network: nn.Module, settings: Training, steps_per_epoch: int) -> None:
        super().__init__(network, settings, steps_per_epoch)
        self.register_buffer("valid_hits", torch.zeros((), dtype=torch.float64))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        inputs, labels = batch
        loss = nn.functional.cross_entropy(self.network(inputs), labels)
        self.loss_sum += loss.detach() * len(labels)
        self.loss_count += len(labels)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        inputs, labels = batch
        logits = self.network(inputs)
        self.valid_sum += nn.functional.cross_entropy(logits, labels, reduction="sum")
        self.valid_count += len(labels)
        self.valid_hits += (logits.argmax(-1) == labels).sum()

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self.valid_hits.zero_()

    def epoch_row(self) -> dict[str, float]:
        """Mean losses in nats, over the epoch's batches and the validation split; and the latter's accuracy."""
        return {
            "train_loss": self.train_mean(),
            "valid_loss": self.valid_mean(),
            "valid_accuracy": float(self.valid_hits) / max(float(self.valid_count), 1.0),
        }
