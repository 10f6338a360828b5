"""The Lightning module that trains a network to tell labels."""

import torch
from torch import Tensor, nn

from anamnesis.tasks.passages import scores
from anamnesis.training.module import TaskModule
from anamnesis.training.settings import Training

Batch = tuple[Tensor, ...]
"""What the network reads, and last the labels (batch,)."""


class PassageModule(TaskModule):
    """Trains `network`, which makes logits (batch, labels) of what it reads, by cross-entropy in nats.

    Args:
        network: the model.
        settings: the experiment's `training` block.
        steps_per_epoch: batches of the training loader.
        labels: how many there are.
    """

    counts: Tensor

    def __init__(self, network: nn.Module, settings: Training, steps_per_epoch: int, labels: int) -> None:
        super().__init__(network, settings, steps_per_epoch)
        self.register_buffer("counts", torch.zeros(labels, labels, dtype=torch.int64))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        *read, labels = batch
        loss = nn.functional.cross_entropy(self.network(*read), labels)
        self.loss_sum += loss.detach() * len(labels)
        self.loss_count += len(labels)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        *read, labels = batch
        logits = self.network(*read)
        self.valid_sum += nn.functional.cross_entropy(logits, labels, reduction="sum")
        self.valid_count += len(labels)
        pairs = labels * len(self.counts) + logits.argmax(-1)
        self.counts += torch.bincount(pairs, minlength=self.counts.numel()).view_as(self.counts)

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self.counts.zero_()

    def epoch_row(self) -> dict[str, float]:
        """Mean losses in nats a passage over the epoch's batches and the validation split, and scores of the latter."""
        counts = self.counts.cpu().numpy()
        return {
            "train_loss": self.train_mean(),
            "valid_loss": self.valid_mean(),
            "valid_accuracy": scores.accuracy(counts),
            "valid_macro_f1": scores.macro_f1(counts),
        }
