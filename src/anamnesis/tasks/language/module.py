"""The Lightning module of a recurrent language model: truncated BPTT with a carried state."""

from typing import Any

import torch
from torch import Tensor

from anamnesis.metrics.results import perplexity
from anamnesis.nn.stack import State, detach, flatten
from anamnesis.tasks.language.network import RecurrentNetwork
from anamnesis.tasks.language.streams import IGNORED, Batch
from anamnesis.training import ranks
from anamnesis.training.module import TaskModule
from anamnesis.training.settings import Training


class LanguageModule(TaskModule):
    """Trains `network` on batches of (inputs, targets, whether the state starts anew).

    The loss of a segment is the mean negative log-likelihood in nats of its targets. Sums over an epoch are kept on
    the device and weighted by targets, so that the perplexities are those of the tokens, not of the batches.

    Args:
        network: the model.
        settings: the experiment's `training` block.
        steps_per_epoch: batches of the training loader.
        truncate: the gradient is cut every so many steps of a segment; None: between segments only.
        bits_per_character: turns the sum of nats over the validation split into bits for each character of its text.
    """

    network: RecurrentNetwork

    def __init__(
        self,
        network: RecurrentNetwork,
        settings: Training,
        steps_per_epoch: int,
        bits_per_character: Any,
        truncate: int | None = None,
    ) -> None:
        super().__init__(network, settings, steps_per_epoch)
        self.truncate, self.bits_per_character = truncate, bits_per_character
        self.carried: State | None = None
        self.valid_carried: State | None = None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        total, count, self.carried = self._segment(batch, self.carried, self.truncate)
        self.loss_sum += total.detach()
        self.loss_count += count
        # A segment may hold nothing but ignored targets; its loss is then 0, not 0 / 0.
        return total / count.clamp(min=1)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        total, count, self.valid_carried = self._segment(batch, self.valid_carried)
        self.valid_sum += total
        self.valid_count += count

    def _segment(
        self, batch: Batch, carried: State | None, truncate: int | None = None
    ) -> tuple[Tensor, Tensor, State]:
        inputs, targets, anew = batch
        state = self.network.stack.initial_state(inputs.shape[1]) if anew or carried is None else carried
        parts = []
        for part in inputs.split(truncate or len(inputs)):
            outputs, state = self.network(part, detach(state))
            parts.append(outputs)
        return self.network.loss(torch.cat(parts), targets), (targets != IGNORED).sum(), detach(state)

    def epoch_row(self) -> dict[str, float]:
        """Perplexities over the epoch's training segments, as the weights changed, and over the validation split."""
        return {
            "train_perplexity": perplexity(self.train_mean()),
            "valid_perplexity": perplexity(self.valid_mean()),
            "valid_bits_per_character": self.bits_per_character(float(self.valid_sum)),
        }

    def on_train_start(self) -> None:
        # A checkpoint is read before the module is moved to its device.
        if self.carried is not None:
            self.carried = [tuple(part.to(self.device) for part in layer) for layer in self.carried]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        # Every process carries the state of its own streams.
        carried = self.carried
        checkpoint["carried"] = None if carried is None else [ranks.gathered(part) for part in flatten(carried)]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        carried = checkpoint["carried"]
        if carried is not None:
            self.carried = self.network.stack.unflatten([part[ranks.own()] for part in carried])
