"""The Lightning module of the regression on word numbers: mean squared error."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anamnesis.training.module import TaskModule
from anamnesis.training.settings import Training

Batch = tuple[Tensor, Tensor]
"""Windows (batch, window) and the numbers that follow them (batch,), float32 shares of the number of words."""


def shares(windows: NDArray[np.int64], words: int) -> Callable[[Tensor], Batch]:
    """What makes a batch of some of `windows` (windows, window + 1), each with its target last, divided by `words`."""
    values = torch.from_numpy((windows / words).astype(np.float32))

    def pick(rows: Tensor) -> Batch:
        part = values[rows]
        return part[:, :-1], part[:, -1]

    return pick


class NumberModule(TaskModule):
    """Trains `network`, (batch, window) -> (batch, 1), on numbers divided by `words`.

    Args:
        network: the model.
        settings: the experiment's `training` block.
        steps_per_epoch: batches of the training loader.
        words: how many words are numbered.
        fallback: of the validation words that have no whole window before them, the errors of the mean: the sum of
            their squares, in word numbers, and how many there are.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: Training,
        steps_per_epoch: int,
        words: int,
        fallback: tuple[float, int] = (0.0, 0),
    ) -> None:
        super().__init__(network, settings, steps_per_epoch)
        self.words, self.fallback = words, fallback

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

    def epoch_row(self) -> dict[str, float]:
        """Root mean squared errors in word numbers: of the epoch's training batches, and of the validation split.

        That of the validation split is over every word that has a number, as the evaluation's.
        """
        squares, count = self.fallback
        valid = (float(self.valid_sum) * self.words**2 + squares) / max(float(self.valid_count) + count, 1.0)
        return {
            "train_rmse": math.sqrt(self.train_mean()) * self.words,
            "valid_rmse": math.sqrt(valid),
        }
