"""Checkpoints for exact resume, written atomically inside an epoch."""

import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from anamnesis.errors import AnamnesisError
from anamnesis.files import sync
from anamnesis.training import ranks


class Checkpoints(Callback):
    """Writes the whole training state to `path` every `steps` optimiser steps, replacing the previous file at once.

    Lightning stores weights, optimiser, schedule, loops, loader position and callbacks, and the module adds its carried
    state. This callback adds the random generators, which Lightning leaves out. It restores them at the first batch,
    after everything that might draw from them. It writes nothing after the last batch of an epoch, because the
    validation that follows belongs to the same step.
    """

    def __init__(self, path: Path, steps: int) -> None:
        self.path, self.steps = path, steps
        self.saved_at = 0
        self.random: dict[str, Any] | None = None

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self.random is not None:
            # A copy, because PyTorch reads past the end of a row of a larger tensor.
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
        # Every process is here at the same time, because all of them save together.
        cuda = ranks.gather(torch.cuda.get_rng_state()) if torch.cuda.is_initialized() else None
        random = {"cpu": ranks.gather(torch.get_rng_state()), "cuda": cuda}
        return {"saved_at": self.saved_at, "random": random}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.saved_at, self.random = state_dict["saved_at"], state_dict["random"]
        if (count := len(state_dict["random"]["cpu"])) != ranks.count():
            raise AnamnesisError(
                f"{self.path}: stored by {count} processes, found {ranks.count()}: train with as many, or delete it"
            )
