"""What every task's Lightning module has: sums of its losses, kept on the device, and one row for each epoch."""

from abc import abstractmethod
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from anamnesis.training import ranks
from anamnesis.training.optimizers import MONITOR, configure
from anamnesis.training.settings import Training


class TaskModule(LightningModule):
    """A Lightning module that counts its losses on the device and tells an epoch in one row.

    A task adds to the sums in its steps; they are emptied when an epoch begins, and nothing is copied from the device
    before it ends. The loss that a training step returns is the mean over what it adds to `loss_count`; with several
    processes, each of which has a part of every batch, that is what makes the gradient the whole batch's, however
    unequal the parts.

    Attributes:
        network: the model whose best parameters are kept.
        loss_sum: sum of the training losses of this epoch so far, a scalar.
        loss_count: what they are divided by for a mean, a scalar.
        valid_sum: sum of the validation losses, a scalar.
        valid_count: what they are divided by; the mean decides which weights are kept.

    Args:
        network: the model.
        settings: the experiment's `training` block.
        steps_per_epoch: batches of the training loader.
    """

    network: nn.Module
    loss_sum: Tensor
    loss_count: Tensor
    valid_sum: Tensor
    valid_count: Tensor

    def __init__(self, network: nn.Module, settings: Training, steps_per_epoch: int) -> None:
        super().__init__()
        self.network, self.settings, self.steps_per_epoch = network, settings, steps_per_epoch
        zero = torch.zeros((), dtype=torch.float64)
        for name in ("loss_sum", "loss_count", "valid_sum", "valid_count"):
            self.register_buffer(name, zero.clone())

    @abstractmethod
    def epoch_row(self) -> dict[str, float]:
        """The epoch's metrics by name, after its validation."""

    def train_mean(self) -> float:
        """The mean training loss of the epoch, as the weights changed."""
        return float(self.loss_sum) / max(float(self.loss_count), 1.0)

    def valid_mean(self) -> float:
        """The mean validation loss."""
        return float(self.valid_sum) / max(float(self.valid_count), 1.0)

    @property
    def sums(self) -> dict[str, Tensor]:
        """What is counted in steps, by name: of each process its own part until an epoch's validation ends."""
        return dict(self.named_buffers(recurse=False))

    def setup(self, stage: str) -> None:
        # DDP would overwrite every process's sums by the first one's. It looks for the names here.
        self._ddp_params_and_buffers_to_ignore = list(self.sums)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if ranks.count() > 1:
            self._counted = self.loss_count.clone()

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        if ranks.count() > 1:
            # DDP takes the plain mean of the processes' gradients.
            part = self.loss_count - self._counted
            loss = loss * (part * ranks.count() / ranks.total(part).clamp(min=1)).to(loss.dtype)
        loss.backward(*args, **kwargs)

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        # Lightning's own refuses a fused optimiser in mixed precision, because it leaves to it to scale gradients back.
        if gradient_clip_val is not None:
            scaler = getattr(self.trainer.precision_plugin, "scaler", None)
            if scaler is not None:
                scaler.unscale_(optimizer)
            parameters = [each for group in optimizer.param_groups for each in group["params"]]
            nn.utils.clip_grad_norm_(parameters, gradient_clip_val)

    def on_validation_epoch_start(self) -> None:
        self.valid_sum.zero_()
        self.valid_count.zero_()

    def on_validation_epoch_end(self) -> None:
        for value in self.sums.values():
            value.copy_(ranks.total(value))
        self.log(MONITOR, self.valid_sum / self.valid_count)

    def on_train_epoch_end(self) -> None:
        self.loss_sum.zero_()
        self.loss_count.zero_()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name, value in self.sums.items():
            checkpoint["state_dict"][name] = ranks.total(value)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # One process goes on counting from the sum of all.
        if ranks.own() > 0:
            for name in self.sums:
                checkpoint["state_dict"][name].zero_()

    def configure_optimizers(self) -> Any:
        return configure(self.network.parameters(), self.settings, self.steps_per_epoch)
