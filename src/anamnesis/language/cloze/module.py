"""The Lightning module of a cloze model: the mean negative log-likelihood of the words at the blanks."""

import math
from typing import Any

import torch
from torch import Tensor

from anamnesis.language.cloze.batches import Batch
from anamnesis.language.cloze.network import ClozeNetwork
from anamnesis.training.module import TaskModule
from anamnesis.training.optimizers import MONITOR, configure
from anamnesis.training.settings import Training


class ClozeModule(TaskModule):
    """Trains `network`; sums over an epoch are weighted by blanks, so that perplexities are those of the blanks.

    Args:
        network: the model.
        settings: the experiment's `training` block.
        steps_per_epoch: batches of the training loader.
    """

    network: ClozeNetwork
    loss_count: Tensor
    valid_count: Tensor
    valid_hits: Tensor

    def __init__(self, network: ClozeNetwork, settings: Training, steps_per_epoch: int) -> None:
        super().__init__()
        self.network, self.settings, self.steps_per_epoch = network, settings, steps_per_epoch
        zero = torch.zeros((), dtype=torch.float64)
        for name in ("loss_sum", "loss_count", "valid_sum", "valid_count", "valid_hits"):
            self.register_buffer(name, zero.clone())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        total = self.network.loss(self.network(batch), batch.ids[batch.times, batch.columns])
        self.loss_sum += total.detach()
        self.loss_count += len(batch.times)
        return total / len(batch.times)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        log_probabilities = self.network.log_probabilities(self.network(batch))
        words = batch.ids[batch.times, batch.columns]
        self.valid_sum -= log_probabilities.gather(1, self.network.numbers[words][:, None]).sum()
        self.valid_hits += (self.network.answers[log_probabilities.argmax(-1)] == words).sum()
        self.valid_count += len(words)

    def on_validation_epoch_start(self) -> None:
        for total in (self.valid_sum, self.valid_count, self.valid_hits):
            total.zero_()

    def on_validation_epoch_end(self) -> None:
        self.log(MONITOR, self.valid_sum / self.valid_count)

    def on_train_epoch_end(self) -> None:
        self.loss_sum.zero_()
        self.loss_count.zero_()

    def epoch_row(self) -> dict[str, float]:
        """Perplexities of the epoch's training blanks, as the weights changed, and of the validation split's."""
        return {
            "train_perplexity": _perplexity(self.loss_sum, self.loss_count),
            "valid_perplexity": _perplexity(self.valid_sum, self.valid_count),
            "valid_accuracy": float(self.valid_hits) / max(float(self.valid_count), 1.0),
        }

    def configure_optimizers(self) -> Any:
        return configure(self.network.parameters(), self.settings, self.steps_per_epoch)


def _perplexity(nats: Tensor, count: Tensor) -> float:
    """exp of the mean negative log-likelihood; infinite where that overflows."""
    mean = float(nats) / max(float(count), 1.0)
    return math.exp(mean) if mean < 700 else math.inf
