"""Checkpoints to resume from exactly: written atomically inside an epoch, random states included."""

import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from anamnesis.errors import AnamnesisError
from anamnesis.files import sync
from anamnesis.training import ranks


class Checkpoints(Callback):
    """Every `steps` optimiser steps the whole training state goes to `path`, replacing the one before in one step.

    Lightning stores weights, optimiser, schedule, loops, loader position and callbacks; the module adds its carried
    state in `on_save_checkpoint`. What Lightning leaves out is added here: the random generators. They are put back
    at the first batch, after everything that might have drawn from them. The last batch of an epoch is passed over,
    because the validation that follows it belongs to the same step.
    """

    def __init__(self, path: Path, steps: int) -> None:
        self.path, self.steps = path, steps
        self.saved_at = 0
        self.random: dict[str, Any] | None = None

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self.random is not None:
            # A copy, because PyTorch reads past the end of a row that is part of more.
            torch.set_rng_state(self.random["cpu"][ranks.own()].clone())
            if self.random["cuda"] is not None:
                torch.cuda.set_rng_state(self.random["cuda"][ranks.own()].clone())
            self.random = None

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step - self.saved_at >= self.steps and batch_idx + 1 < trainer.num_training_batches:
            self.saved_at = trainer.global_step
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.path.with_name(f".{self.path.name}.new")
            trainer.save_checkpoint(temporary)
            if trainer.is_global_zero:
                sync(temporary)
                os.replace(temporary, self.path)

    def state_dict(self) -> dict[str, Any]:
        # What each process has; all of them are here at once, because saving is a step of all.
        cuda = ranks.gathered(torch.cuda.get_rng_state()) if torch.cuda.is_initialized() else None
        random = {"cpu": ranks.gathered(torch.get_rng_state()), "cuda": cuda}
        return {"saved_at": self.saved_at, "random": random}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.saved_at, self.random = state_dict["saved_at"], state_dict["random"]
        if (made := len(state_dict["random"]["cpu"])) != ranks.count():
            raise AnamnesisError(
                f"{self.path}: stored by {made} processes, found {ranks.count()}: train with as many, or delete it"
            )
