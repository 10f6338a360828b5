"""The Lightning module of the small network that tells labels, and its batches."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anamnesis.language.passages import scores
from anamnesis.training.module import TaskModule
from anamnesis.training.settings import Training

Batch = tuple[Tensor, Tensor]
"""Standardised features (batch, features) and labels (batch,)."""


class FeatureBatches:
    """Iterates over passages; goes on from `position`, so that a loader restored in mid-epoch continues there.

    Args:
        features: standardised (passages, features).
        labels: (passages,).
        batch: passages in a batch.
        seed: of the order, a new one each epoch; None: as they come.
    """

    def __init__(self, features: NDArray[np.float32], labels: NDArray[np.int64], batch: int, seed: int | None) -> None:
        self.features, self.labels = torch.from_numpy(features), torch.from_numpy(labels)
        self.batch, self.seed = batch, seed
        self.position, self.epoch = 0, 0

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch)

    def __iter__(self) -> Iterator[Batch]:
        order = np.arange(len(self.labels))
        if self.seed is not None:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        for number in range(self.position, len(self)):
            rows = torch.from_numpy(order[number * self.batch : (number + 1) * self.batch])
            # Back at 0 with the last batch: a trainer that knows the length never asks for one more.
            self.position = (number + 1) % len(self)
            self.epoch += self.position == 0
            yield self.features[rows], self.labels[rows]

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position, self.epoch = state["position"], state["epoch"]


class PassageModule(TaskModule):
    """Trains `network`, (batch, features) -> logits (batch, labels), by cross-entropy in nats.

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
        features, labels = batch
        loss = nn.functional.cross_entropy(self.network(features), labels)
        self.loss_sum += loss.detach() * len(labels)
        self.loss_count += len(labels)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        features, labels = batch
        logits = self.network(features)
        self.valid_sum += nn.functional.cross_entropy(logits, labels, reduction="sum")
        self.valid_count += len(labels)
        found = scores.confusion(labels.cpu().numpy(), logits.argmax(-1).cpu().numpy(), len(self.counts))
        self.counts += torch.from_numpy(found).to(self.counts.device)

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
