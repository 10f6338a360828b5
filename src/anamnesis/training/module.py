"""The LightningModule that trains the network of every task."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Self

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from anamnesis.training import ranks
from anamnesis.training.graphs import Recorder, StepGraphs
from anamnesis.training.optimizers import MONITOR, configure
from anamnesis.training.plan import Loss, NetworkPlan, Sums
from anamnesis.training.settings import Cosine, Decay, Plateau, Training

TRAIN_SUMS, VALID_SUMS = ("train_total", "train_count"), ("valid_total", "valid_count")


class TrainingModule(LightningModule):
    """Trains `plan.network` to minimise the mean of `plan.loss` over the targets of each batch.

    The optimisation is manual, in Lightning's words: `step` is the whole step, which a CUDA graph can record. The sums
    of an epoch's losses stay on the device until the epoch ends. Several processes each take a part of every batch; the
    loss is weighted by the number of targets in each part, so that the gradient is that of the whole batch.

    Attributes:
        network: the network whose best parameters become the model.
        train_total, train_count: sum and number of the losses of this epoch's training batches so far, scalars.
        valid_total, valid_count: the same for the validation; their quotient decides which weights are the best.
        rate: the learning rate of the last step.

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
        self.rate = 0.0
        self.automatic_optimization = False
        self.graphs: StepGraphs | None = None
        # The learning rates as tensors, which a graph reads at every replay, and the values that they hold.
        self._rates: list[tuple[Tensor, float]] = []

    def use_graphs(self, name: str, recorder: Recorder) -> None:
        """Record the training steps as CUDA graphs.

        Args:
            name: the experiment, for messages.
            recorder: the device.
        """
        self.graphs = StepGraphs(name, self.step, recorder)

    @property
    def plan(self) -> NetworkPlan:
        return self._plan[0]

    @property
    def sums(self) -> dict[str, Tensor]:
        """The sums by name; each process has its own part of them until the epoch's validation ends."""
        return dict(self.named_buffers(recurse=False))

    def training_step(self, batches: Sequence[Any], batch_idx: int) -> None:
        """Take an optimiser step for each batch of a group; see `groups.Groups`."""
        progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        step, state = self.graphs or self.step, self.train_state
        with nullcontext() if self.graphs is None else self.graphs.recorder.enter():
            for batch in batches:
                self._copy_rates()
                state = step(batch, state)
                # Lightning counts the steps of its own optimisers only, which a graph does not call.
                progress.increment_ready()
                progress.increment_completed()
                self.rate = float(self._optimizer.param_groups[0]["lr"])
                self._change_rate(progress.total.completed)
        self.train_state = state

    def step(self, batch: Any, state: Any) -> Any:
        """Forward and backward pass of a batch, and the optimiser's step; returns the state after the batch.

        A CUDA graph may record and repeat it: all that changes from step to step is in tensors.
        """
        optimizer = self._optimizer
        optimizer.zero_grad()
        counted = self.train_count.clone() if ranks.count() > 1 else None
        loss, state = self.mean_loss(batch, state)
        if counted is not None:
            # DDP takes the plain mean of the processes' gradients.
            part = self.train_count - counted
            loss = loss * (part * ranks.count() / ranks.total(part).clamp(min=1)).to(loss.dtype)
        # Lightning's autocast is for the forward pass.
        with torch.autocast(self.device.type, enabled=False):
            self.manual_backward(loss)
            self._update(optimizer)
        return state

    def mean_loss(self, batch: Any, state: Any) -> tuple[Tensor, Any]:
        """The loss of a batch that training minimises, a scalar, and the state after the batch; adds to the sums."""
        loss: Loss = self.plan.loss(batch, state)
        self.train_total += loss.total.detach()
        self.train_count += loss.count
        if loss.mean is not None:
            return loss.mean, loss.state
        # A segment may hold nothing but ignored targets; its loss is then 0, not 0 / 0.
        count = loss.count if isinstance(loss.count, int) else loss.count.clamp(min=1)
        return loss.total / count, loss.state

    @property
    def _optimizer(self) -> Optimizer:
        (optimizer,) = self.trainer.optimizers
        return optimizer

    def _update(self, optimizer: Optimizer) -> None:
        """Clip the gradients at their true size and take the optimiser's step."""
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if self.settings.clip_norm is not None:
            if scaler is not None:
                scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        with self._rates_as_tensors(optimizer):
            if scaler is None:
                optimizer.step()
            else:
                scaler.step(optimizer)
                scaler.update()

    def _copy_rates(self) -> None:
        """Copy the learning rates into their tensors, where they have changed."""
        if self.graphs is None:
            return
        groups = self._optimizer.param_groups
        self._rates = self._rates or [(torch.zeros((), device=self.device), 0.0) for _ in groups]
        for index, (group, (rate, value)) in enumerate(zip(groups, self._rates, strict=True)):
            if group["lr"] != value:
                rate.fill_(group["lr"])
                self._rates[index] = rate, group["lr"]

    @contextmanager
    def _rates_as_tensors(self, optimizer: Optimizer) -> Iterator[None]:
        """With graphs, an optimiser whose learning rates are tensors; schedules compute with numbers."""
        numbers = [group["lr"] for group in optimizer.param_groups]
        for group, (rate, _) in zip(optimizer.param_groups, self._rates, strict=False):
            group["lr"] = rate
        try:
            yield
        finally:
            for group, number in zip(optimizer.param_groups, numbers, strict=True):
                group["lr"] = number

    def _change_rate(self, steps: int) -> None:
        """Change the learning rate as its schedule says after so many steps."""
        schedule = self.settings.schedule
        if isinstance(schedule, Cosine) or (isinstance(schedule, Decay) and steps % self.steps_per_epoch == 0):
            self.lr_schedulers().step()  # type: ignore[union-attr]

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

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        # A graph copies batches into its own tensors.
        if self.graphs is not None and self.trainer.training:
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def on_train_start(self) -> None:
        # A checkpoint is read before the module is moved to its device.
        self.train_state = apply_to_collection(self.train_state, Tensor, lambda part: part.to(self.device))

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
        if isinstance(self.settings.schedule, Plateau):
            self.lr_schedulers().step(self.trainer.callback_metrics[MONITOR])  # type: ignore[union-attr, arg-type]

    def on_train_end(self) -> None:
        # Lightning would copy the moments to the CPU, where nothing reads them.
        self.trainer.strategy.optimizers = []
        self.graphs = None

    def cpu(self) -> Self:
        # Lightning calls it at the end, when the best weights are on the CPU already.
        return self

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name, value in self.sums.items():
            checkpoint["state_dict"][name] = ranks.total(value)
        # Every process carries the state of its own streams.
        checkpoint["train_state"] = apply_to_collection(self.train_state, Tensor, ranks.gather)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # One process goes on counting from the sum of all.
        if ranks.own() > 0:
            for name in self.sums:
                checkpoint["state_dict"][name].zero_()
        self.train_state = apply_to_collection(checkpoint["train_state"], Tensor, lambda part: part[ranks.own()])

    def configure_optimizers(self) -> Any:
        return configure(self.network.parameters(), self.settings, self.steps_per_epoch)
