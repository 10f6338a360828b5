"""Callbacks that stop a training: on a loss that is not finite, and on SIGTERM."""

import signal
from types import FrameType
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer

from anamnesis.errors import AnamnesisError
from anamnesis.training import ranks
from anamnesis.training.module import TrainingModule


class FiniteLoss(Callback):
    """Stops the training when `module.train_total`, the running sum of the losses, is NaN or infinite.

    It checks after every `steps` steps and before each validation, because a check at every step would make a GPU
    wait. A NaN between two checks stays in the sum.
    """

    def __init__(self, name: str, steps: int = 20) -> None:
        self.name, self.steps, self.checked = name, steps, 0

    def on_train_batch_end(
        self, trainer: Trainer, module: TrainingModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step - self.checked >= self.steps or batch_idx + 1 == trainer.num_training_batches:
            self.checked = trainer.global_step
            self._check(module.train_total, f"training loss at step {trainer.global_step}")

    def on_validation_epoch_end(self, trainer: Trainer, module: TrainingModule) -> None:
        self._check(module.valid_total, f"validation loss after epoch {trainer.current_epoch + 1}")

    def _check(self, loss: torch.Tensor, what: str) -> None:
        # The sum over all processes, so that all of them stop.
        loss = ranks.total(loss)
        if not torch.isfinite(loss):
            value = "NaN" if torch.isnan(loss) else "infinite"
            raise AnamnesisError(
                f"experiments.{self.name}: the {what} is {value}; no model was written. "
                "Lower training.learning_rate or set a smaller training.clip_norm"
            )


class Terminate(Callback):
    """Makes SIGTERM end the process with a non-zero exit code; Lightning would exit with 0."""

    def setup(self, trainer: Trainer, module: TrainingModule, stage: str) -> None:
        self._before = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: Trainer, module: TrainingModule) -> None:
        def leave(number: int, frame: FrameType | None) -> None:
            raise SystemExit(128 + number)

        signal.signal(signal.SIGTERM, leave)

    def teardown(self, trainer: Trainer, module: TrainingModule, stage: str) -> None:
        signal.signal(signal.SIGTERM, self._before)
