"""The weights of the best epoch by validation loss, and a row of history and a sample for each epoch."""

from collections.abc import Callable
from typing import Any

from pytorch_lightning import Callback, Trainer
from torch import Tensor

from anamnesis.training.module import TrainingModule

Row = dict[str, float | int]


class Best(Callback):
    """After each validation, adds `module.epoch_metrics()` to the history and stores the best weights so far.

    A checkpoint holds all of this, so a resumed training ends with the same history, samples and weights.

    Args:
        after_epoch: called with the new row; returns what the model makes of the task now, as text.
    """

    def __init__(self, after_epoch: Callable[[Row], str]) -> None:
        self.after_epoch = after_epoch
        self.history: list[Row] = []
        self.samples: list[str] = []
        self.loss = float("inf")
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, module: TrainingModule) -> None:
        row: Row = {"epoch": trainer.current_epoch + 1, "learning_rate": module.rate}
        row |= module.epoch_metrics()
        self.history.append(row)
        loss = float(trainer.callback_metrics["valid_loss"])
        if loss < self.loss:
            self.loss, self.epoch = loss, trainer.current_epoch + 1
            self.weights = {
                name: value.detach().to("cpu", copy=True) for name, value in module.network.named_parameters()
            }
        self.samples.append(self.after_epoch(row))

    def state_dict(self) -> dict[str, Any]:
        names = ("history", "samples", "loss", "epoch", "weights")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, value in state_dict.items():
            setattr(self, name, value)
