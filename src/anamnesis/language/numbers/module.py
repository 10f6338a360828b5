"""The Lightning module of the regression on word numbers: mean squared error."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from anamnesis.language.numbers.batches import Batch
from anamnesis.training.module import TaskModule
from anamnesis.training.optimizers import MONITOR, configure
from anamnesis.training.settings import Training


class NumberModule(TaskModule):
    """Trains `network`, (batch, window) -> (batch, 1), on numbers divided by `words`.

    Args:
        network: the model.
        settings: the experiment's `training` block.
        steps_per_epoch: batches of the training loader.
        words: how many words are numbered.
    """

    loss_count: Tensor
    valid_count: Tensor

    def __init__(self, network: nn.Module, settings: Training, steps_per_epoch: int, words: int) -> None:
        super().__init__()
        self.network, self.settings, self.steps_per_epoch, self.words = network, settings, steps_per_epoch, words
        zero = torch.zeros((), dtype=torch.float64)
        for name in ("loss_sum", "loss_count", "valid_sum", "valid_count"):
            self.register_buffer(name, zero.clone())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self._squared(batch)
        self.loss_sum += loss.detach().sum()
        self.loss_count += len(loss)
        return loss.mean()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        loss = self._squared(batch)
        self.valid_sum += loss.sum()
        self.valid_count += len(loss)

    def _squared(self, batch: Batch) -> Tensor:
        """Squared errors (batch,)."""
        windows, targets = batch
        return (self.network(windows)[:, 0] - targets).square()

    def on_validation_epoch_start(self) -> None:
        self.valid_sum.zero_()
        self.valid_count.zero_()

    def on_validation_epoch_end(self) -> None:
        self.log(MONITOR, self.valid_sum / self.valid_count)

    def on_train_epoch_end(self) -> None:
        self.loss_sum.zero_()
        self.loss_count.zero_()

    def epoch_row(self) -> dict[str, float]:
        """Root mean squared errors in word numbers: of the epoch's training batches, and of the validation split."""
        return {
            "train_rmse": math.sqrt(float(self.loss_sum) / max(float(self.loss_count), 1.0)) * self.words,
            "valid_rmse": math.sqrt(float(self.valid_sum) / max(float(self.valid_count), 1.0)) * self.words,
        }

    def configure_optimizers(self) -> Any:
        return configure(self.network.parameters(), self.settings, self.steps_per_epoch)
