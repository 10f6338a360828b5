"""Running Lightning's Trainer with exact resume, the best weights, and clear errors."""

import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Callback, Trainer, seed_everything
from pytorch_lightning.accelerators import CPUAccelerator, CUDAAccelerator
from pytorch_lightning.callbacks import EarlyStopping
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from anamnesis.errors import AnamnesisError
from anamnesis.training import memory, settings
from anamnesis.training.bar import Bar
from anamnesis.training.best import Best, Row
from anamnesis.training.checkpoints import Checkpoints
from anamnesis.training.graphs import CudaRecorder, Recorder
from anamnesis.training.groups import Groups
from anamnesis.training.guards import FiniteLoss, Terminate
from anamnesis.training.module import TrainingModule
from anamnesis.training.optimizers import MONITOR
from anamnesis.training.plan import NetworkPlan
from anamnesis.training.precision import precision_of
from anamnesis.training.prefetch import Prefetched

# Most batches of a group; callbacks come after a group. Lightning takes a quarter of a millisecond for each.
GROUP = 20


@dataclass(frozen=True)
class Fitted:
    """The result of a training.

    Attributes:
        weights: the parameters at the best validation loss, on the CPU, by name.
        best_epoch: the epoch they come from, counted from 1.
        history: one row for each epoch.
        samples: what `after_epoch` returned for each epoch.
        seconds: wall-clock time since this process began or resumed, with validation and samples.
        cpu_seconds: processor time of the same period.
        steps: optimiser steps of the same period.
    """

    weights: dict[str, Tensor]
    best_epoch: int
    history: list[Row]
    samples: list[str]
    seconds: float
    cpu_seconds: float
    steps: int


def seed(value: int) -> None:
    """Seed Python, NumPy and PyTorch."""
    seed_everything(value, verbose=False)


def fit(
    name: str,
    plan: NetworkPlan,
    training: settings.Training,
    machine: settings.Trainer,
    checkpoint: Path,
    after_epoch: Callable[[Row], str],
) -> Fitted:
    """Train the network of a plan and return its best weights.

    Args:
        name: the experiment, for messages.
        plan: the network, its data and its loss.
        training: the experiment's `training` block.
        machine: its `trainer` block.
        checkpoint: the file of the training's state; an undamaged one is resumed.
        after_epoch: called with the row of each epoch in history.csv; returns a sample of the network's work.

    Raises:
        AnamnesisError: the loss is NaN or infinite, or this machine is not the one that the settings ask for.
        SystemExit: the process was asked to end (SIGINT, SIGTERM); the last checkpoint stays.
    """
    _quiet()
    memory.keep()
    module, train, valid = TrainingModule(plan, training), plan.train, plan.valid
    best = Best(after_epoch)
    callbacks: list[Callback] = [FiniteLoss(name), Bar(name), best, Terminate()]
    if training.patience is not None:
        callbacks.append(EarlyStopping(MONITOR, patience=training.patience, check_finite=False))
    callbacks.append(Checkpoints(checkpoint, training.checkpoint_steps))
    trainer = _trainer(
        name,
        machine,
        module.network,
        max_epochs=training.epochs,
        callbacks=callbacks,
        default_root_dir=checkpoint.parent,
    )
    if trainer.world_size > 1:
        _share_out(name, trainer, module, train, valid)
    recorder = _recorder(trainer, machine)
    if recorder is not None:
        module.use_graphs(name, recorder)
    train = Groups(train, _group_size(trainer, training), None if recorder is None else plan.pad_to_fixed_shape)
    if isinstance(trainer.accelerator, CUDAAccelerator):
        train, valid = Prefetched(train), Prefetched(valid)
    first_step = _steps_done(checkpoint)
    resumed = first_step is not None
    start, cpu_start = time.perf_counter(), time.process_time()
    # On a CPU, oneDNN's recurrent kernels do not support every shape in 16 bits.
    mixed = trainer.precision != "32-true" and isinstance(trainer.accelerator, CPUAccelerator)
    with torch.backends.mkldnn.flags(enabled=False) if mixed else nullcontext():
        trainer.fit(
            module,
            train_dataloaders=train,
            val_dataloaders=valid,
            ckpt_path=str(checkpoint) if resumed else None,
            weights_only=True,
        )
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    if trainer.state.status != "finished":
        raise SystemExit(130)
    return Fitted(
        best.weights,
        best.epoch,
        best.history,
        best.samples,
        seconds,
        cpu_seconds,
        trainer.global_step - (first_step or 0),
    )


def _trainer(name: str, machine: settings.Trainer, network: nn.Module, **arguments: Any) -> Trainer:
    """Lightning's Trainer on the devices that the settings ask for.

    Raises:
        AnamnesisError: this machine lacks them.
    """
    if machine.accelerator == "gpu" and not torch.cuda.is_available():
        raise AnamnesisError(f"{name}: trainer.accelerator: found 'gpu', but PyTorch sees none; allowed: auto, cpu")
    strategy: str = machine.strategy
    if strategy == "auto" and (machine.devices != 1 or machine.num_nodes != 1):
        # A batch without rare tokens gives their clusters no gradient.
        sparse = any(isinstance(part, nn.AdaptiveLogSoftmaxWithLoss) for part in network.modules())
        strategy = "ddp_find_unused_parameters_true" if sparse else "ddp"
    # Skip filling uninitialised memory, which takes a few percent of a step: nothing reads it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        return Trainer(
            # Not `auto` or `gpu`, which could be a device without double precision, in which the sums are.
            accelerator="cuda" if machine.accelerator != "cpu" and torch.cuda.is_available() else "cpu",
            devices=machine.devices,
            num_nodes=machine.num_nodes,
            strategy=strategy,
            precision=precision_of(machine, network),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            deterministic="warn",
            **arguments,
        )
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise AnamnesisError(f"{name}: trainer: {' '.join(str(error).split())}") from None


def _group_size(trainer: Trainer, training: settings.Training) -> int:
    """The batches of a group: at most `GROUP`, so many that a group ends where a checkpoint is due."""
    if trainer.world_size > 1:
        # Several processes exchange gradients once in each of Lightning's batches.
        return 1
    return max(size for size in range(1, GROUP + 1) if training.checkpoint_steps % size == 0)


def _recorder(trainer: Trainer, machine: settings.Trainer) -> Recorder | None:
    """The recorder of CUDA graphs; None where steps are not recorded."""
    if machine.graphs == "never" or trainer.world_size > 1 or not isinstance(trainer.accelerator, CUDAAccelerator):
        return None
    return CudaRecorder(trainer.strategy.root_device)


def _share_out(name: str, trainer: Trainer, module: TrainingModule, train: Any, valid: Any) -> None:
    """Give this process its part of every batch, and its own random numbers.

    Raises:
        AnamnesisError: several processes cannot train the network, or a batch is too small for them.
    """
    if any(isinstance(part, _BatchNorm) for part in module.modules()):
        raise AnamnesisError(
            f"{name}: trainer.devices: found {trainer.world_size} processes; allowed: 1 for a network with batch "
            "normalisation, which needs the whole batch"
        )
    # The launcher starts the other processes without -P, which keeps scripts from hiding Python's own modules.
    os.environ["PYTHONSAFEPATH"] = "1"
    for loader in (train, valid):
        loader.shard(trainer.global_rank, trainer.world_size)
    module.steps_per_epoch = len(train)
    if trainer.global_rank > 0:
        torch.manual_seed(torch.initial_seed() + trainer.global_rank)


def _steps_done(checkpoint: Path) -> int | None:
    """The optimiser steps of a checkpoint; None if it is missing, or damaged, which one line then says.

    Loading runs no code that the file may hold.
    """
    if not checkpoint.exists():
        return None
    try:
        return int(torch.load(checkpoint, weights_only=True, map_location="cpu")["global_step"])
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        print(f"note: {checkpoint} is damaged ({reason}); the training starts again", file=sys.stderr, flush=True)
        return None


def _quiet() -> None:
    """Silence Lightning's remarks on hardware, workers and loggers."""
    for logger in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning.*")
    warnings.filterwarnings("ignore", module="lightning_fabric.*")
    # The first step of each shape runs without a graph.
    warnings.filterwarnings("ignore", message="This instance was constructed with capturable=True")
    # From layers that assemble their weights for each segment.
    warnings.filterwarnings("ignore", message="RNN module weights are not part")
