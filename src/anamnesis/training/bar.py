"""The progress bar of a training run."""

from typing import Any

from pytorch_lightning import Callback, Trainer

from anamnesis import console
from anamnesis.training.module import TrainingModule


class Bar(Callback):
    """A progress bar over all optimiser steps with the epoch and the validation score; it moves every `steps` steps."""

    def __init__(self, name: str, steps: int = 20) -> None:
        self.name, self.steps, self.updated = name, steps, 0
        self.score = ""

    def on_train_start(self, trainer: Trainer, module: TrainingModule) -> None:
        self.progress = console.progress()
        self.progress.disable = not trainer.is_global_zero
        self.progress.start()
        total = module.steps_per_epoch * (trainer.max_epochs or 1)
        self.task = self.progress.add_task(self._text(trainer), total=total, completed=trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, module: TrainingModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step - self.updated >= self.steps:
            self.updated = trainer.global_step
            self.progress.update(self.task, completed=trainer.global_step, description=self._text(trainer))

    def on_validation_end(self, trainer: Trainer, module: TrainingModule) -> None:
        row = module.epoch_metrics()
        name = next(key for key in row if key.startswith("valid_"))
        self.score = f", {name.replace('_', ' ')} {row[name]:.4g}"

    def teardown(self, trainer: Trainer, module: TrainingModule, stage: str) -> None:
        if hasattr(self, "progress"):
            self.progress.stop()

    def _text(self, trainer: Trainer) -> str:
        return f"train {self.name} epoch {trainer.current_epoch + 1}/{trainer.max_epochs}{self.score}"
