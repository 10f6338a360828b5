"""The LightningModule that trains the network of every task."""

from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from anamnesis.training import ranks
from anamnesis.training.optimizers import MONITOR, configure
from anamnesis.training.plan import Loss, NetworkPlan, Sums
from anamnesis.training.settings import Training

TRAIN_SUMS, VALID_SUMS = ("train_total", "train_count"), ("valid_total", "valid_count")


class TrainingModule(LightningModule):
    """Trains `plan.network` to minimise the mean of `plan.loss` over the targets of each batch.

    The sums of an epoch's losses stay on the device until the epoch ends. Several processes each take a part of every
    batch; the loss is weighted by the number of targets in each part, so that the gradient is that of the whole batch.

    Attributes:
        network: the network whose best parameters become the model.
        train_total, train_count: sum and number of the losses of this epoch's training batches so far, scalars.
        valid_total, valid_count: the same for the validation; their quotient decides which weights are the best.

    Args:
        plan: the network, its data and its loss.
        settings: the experiment's `training` block.
    """

    train_total: Tensor
    train_count: Tensor
    valid_total: Tensor
    valid_count: Tensor

    def __init__(self, plan: NetworkPlan, settings: Training) -> None:
        super().__init__()
        self.network, self.settings, self.steps_per_epoch = plan.network, settings, len(plan.train)
        # In a tuple, so that PyTorch registers nothing of the plan a second time.
        self._plan = (plan,)
        for name in (*TRAIN_SUMS, *VALID_SUMS):
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))
        for name, zero in plan.sums.items():
            self.register_buffer(name, zero.clone())
        self.train_state: Any = None
        self.valid_state: Any = None

    @property
    def plan(self) -> NetworkPlan:
        return self._plan[0]

    @property
    def sums(self) -> dict[str, Tensor]:
        """The sums by name; each process has its own part of them until the epoch's validation ends."""
        return dict(self.named_buffers(recurse=False))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss: Loss = self.plan.loss(batch, self.train_state)
        self.train_state = loss.state
        self.train_total += loss.total.detach()
        self.train_count += loss.count
        if loss.mean is not None:
            return loss.mean
        # A segment may hold nothing but ignored targets; its loss is then 0, not 0 / 0.
        count = loss.count if isinstance(loss.count, int) else loss.count.clamp(min=1)
        return loss.total / count

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        loss: Loss = self.plan.loss(batch, self.valid_state)
        self.valid_state = loss.state
        self.valid_total += loss.total
        self.valid_count += loss.count
        for name, value in loss.sums.items():
            getattr(self, name).add_(value)

    def epoch_metrics(self) -> dict[str, float]:
        """The epoch's metrics by name, after its validation."""
        more = {name: getattr(self, name).cpu() for name in self.plan.sums}
        train = Sums(float(self.train_total), float(self.train_count))
        return self.plan.metrics(train, Sums(float(self.valid_total), float(self.valid_count), more))

    def setup(self, stage: str) -> None:
        # DDP would overwrite every process's sums by the first one's. It looks for the names here.
        self._ddp_params_and_buffers_to_ignore = list(self.sums)

    def on_train_start(self) -> None:
        # A checkpoint is read before the module is moved to its device.
        self.train_state = apply_to_collection(self.train_state, Tensor, lambda part: part.to(self.device))

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if ranks.count() > 1:
            self._counted = self.train_count.clone()

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        if ranks.count() > 1:
            # DDP takes the plain mean of the processes' gradients.
            part = self.train_count - self._counted
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
        self.valid_state = None
        for name in (*VALID_SUMS, *self.plan.sums):
            getattr(self, name).zero_()

    def on_validation_epoch_end(self) -> None:
        for value in self.sums.values():
            value.copy_(ranks.total(value))
        self.log(MONITOR, self.valid_total / self.valid_count)

    def on_train_epoch_end(self) -> None:
        for name in TRAIN_SUMS:
            getattr(self, name).zero_()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name, value in self.sums.items():
            checkpoint["state_dict"][name] = ranks.total(value)
        # Every process carries the state of its own streams.
        checkpoint["train_state"] = apply_to_collection(self.train_state, Tensor, ranks.gathered)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # One process goes on counting from the sum of all.
        if ranks.own() > 0:
            for name in self.sums:
                checkpoint["state_dict"][name].zero_()
        self.train_state = apply_to_collection(checkpoint["train_state"], Tensor, lambda part: part[ranks.own()])

    def configure_optimizers(self) -> Any:
        return configure(self.network.parameters(), self.settings, self.steps_per_epoch)
