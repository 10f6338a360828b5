"""What every task's Lightning module has: sums of its losses, kept on the device, and one row for each epoch."""

from abc import abstractmethod
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from anamnesis.training.optimizers import MONITOR, configure
from anamnesis.training.settings import Training


class TaskModule(LightningModule):
    """A Lightning module that counts its losses on the device and tells an epoch in one row.

    A task adds to the sums in its steps; they are emptied when an epoch begins, and nothing is copied from the device
    before it ends.

    Attributes:
        network: the model whose best parameters are kept.
        loss_sum: sum of the training losses of this epoch so far, a scalar.
        loss_count: what they are divided by for a mean, a scalar.
        valid_sum: sum of the validation losses, a scalar.
        valid_count: what they are divided by; the mean decides which weights are kept.

    Args:
        network: the model.
        settings: the experiment's `training` block.
        steps_per_epoch: batches of the training loader.
    """

    network: nn.Module
    loss_sum: Tensor
    loss_count: Tensor
    valid_sum: Tensor
    valid_count: Tensor

    def __init__(self, network: nn.Module, settings: Training, steps_per_epoch: int) -> None:
        super().__init__()
        self.network, self.settings, self.steps_per_epoch = network, settings, steps_per_epoch
        zero = torch.zeros((), dtype=torch.float64)
        for name in ("loss_sum", "loss_count", "valid_sum", "valid_count"):
            self.register_buffer(name, zero.clone())

    @abstractmethod
    def epoch_row(self) -> dict[str, float]:
        """The epoch's metrics by name, after its validation."""

    def train_mean(self) -> float:
        """The mean training loss of the epoch, as the weights changed."""
        return float(self.loss_sum) / max(float(self.loss_count), 1.0)

    def valid_mean(self) -> float:
        """The mean validation loss."""
        return float(self.valid_sum) / max(float(self.valid_count), 1.0)

    def on_validation_epoch_start(self) -> None:
        self.valid_sum.zero_()
        self.valid_count.zero_()

    def on_validation_epoch_end(self) -> None:
        self.log(MONITOR, self.valid_sum / self.valid_count)

    def on_train_epoch_end(self) -> None:
        self.loss_sum.zero_()
        self.loss_count.zero_()

    def configure_optimizers(self) -> Any:
        return configure(self.network.parameters(), self.settings, self.steps_per_epoch)
