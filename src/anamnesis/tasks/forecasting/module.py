"""The Lightning module of a forecaster: mean squared error."""

import math

from torch import Tensor, nn

from anamnesis.training.module import TaskModule
from anamnesis.training.settings import Training

Batch = tuple[Tensor, Tensor]
"""Windows (batch, window) and what follows them (batch,), standardised."""


class ForecastModule(TaskModule):
    """Trains `network`, (batch, window) -> (batch,), on standardised values.

    Args:
        network: the model.
        settings: the experiment's `training` block.
        steps_per_epoch: batches of the training loader.
        scale: what values were divided by; errors are told in the units of the data.
    """

    def __init__(self, network: nn.Module, settings: Training, steps_per_epoch: int, scale: float) -> None:
        super().__init__(network, settings, steps_per_epoch)
        self.scale = scale

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
        return (self.network(windows) - targets).square()

    def epoch_row(self) -> dict[str, float]:
        """Root mean squared errors in the units of the data: of the epoch's training batches, and of validation."""
        return {
            "train_rmse": math.sqrt(self.train_mean()) * self.scale,
            "valid_rmse": math.sqrt(self.valid_mean()) * self.scale,
        }
