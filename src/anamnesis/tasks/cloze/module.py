"""The Lightning module of a cloze model: the mean negative log-likelihood of the words at the blanks."""

import torch
from torch import Tensor

from anamnesis.metrics.results import perplexity
from anamnesis.tasks.cloze.batches import Batch
from anamnesis.tasks.cloze.blanks import NONE, Unknown
from anamnesis.tasks.cloze.network import ClozeNetwork
from anamnesis.training.module import TaskModule
from anamnesis.training.settings import Training


class ClozeModule(TaskModule):
    """Trains `network`; sums over an epoch are weighted by blanks, so that perplexities are those of the blanks.

    Args:
        network: the model.
        settings: the experiment's `training` block.
        steps_per_epoch: batches of the training loader.
        train_unknown, valid_unknown: the words that the vocabulary lacks, which perplexities include; nothing is
            learned from them.
    """

    network: ClozeNetwork
    valid_hits: Tensor

    def __init__(
        self,
        network: ClozeNetwork,
        settings: Training,
        steps_per_epoch: int,
        train_unknown: Unknown = NONE,
        valid_unknown: Unknown = NONE,
    ) -> None:
        super().__init__(network, settings, steps_per_epoch)
        self.train_unknown, self.valid_unknown = train_unknown, valid_unknown
        self.register_buffer("valid_hits", torch.zeros((), dtype=torch.float64))

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
        super().on_validation_epoch_start()
        self.valid_hits.zero_()

    def epoch_row(self) -> dict[str, float]:
        """Perplexities of the epoch's training blanks, as the weights changed, and of the validation split's."""
        return {
            "train_perplexity": _perplexity(self.train_unknown, self.loss_sum, self.loss_count),
            "valid_perplexity": _perplexity(self.valid_unknown, self.valid_sum, self.valid_count),
            "valid_accuracy": float(self.valid_hits) / max(float(self.valid_count) + self.valid_unknown.words, 1.0),
        }


def _perplexity(unknown: Unknown, total: Tensor, known: Tensor) -> float:
    """The perplexity of all blanks, from the sum of the losses of the known words."""
    blanks = float(known) + unknown.words
    return perplexity(unknown.total(float(total), int(known)) / max(blanks, 1.0))
