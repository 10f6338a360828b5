"""Running Lightning's trainer so that it resumes exactly, keeps the best weights and says when it cannot go on."""

import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping
from torch import Tensor

from anamnesis.errors import AnamnesisError
from anamnesis.training import memory
from anamnesis.training.bar import Bar
from anamnesis.training.best import Best, Row
from anamnesis.training.checkpoints import Checkpoints
from anamnesis.training.guards import FiniteLoss, Terminate
from anamnesis.training.module import TaskModule
from anamnesis.training.optimizers import MONITOR
from anamnesis.training.settings import Training


@dataclass(frozen=True)
class Fitted:
    """What a training run leaves.

    Attributes:
        weights: the parameters at the best validation loss, on the CPU, by name.
        best_epoch: the epoch they come from, counted from 1.
        history: one row for each epoch.
        samples: what `on_epoch` returned for each epoch.
        seconds: wall-clock time of this process's part, validation and sampling included.
        cpu_seconds: processor time of the same.
        steps: optimiser steps this process took.
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
    module: TaskModule,
    train: Any,
    valid: Any,
    settings: Training,
    checkpoint: Path,
    on_epoch: Callable[[Row], str],
) -> Fitted:
    """Train `module` and return its best weights.

    Args:
        name: the experiment, for messages.
        module: logs `valid_loss` after each validation.
        train: sized iterable of batches with `state_dict` and `load_state_dict` that hold its position.
        valid: sized iterable of batches.
        settings: the experiment's `training` block.
        checkpoint: where the state is stored to resume from; used if it is there.
        on_epoch: called with each epoch's row of history; returns a sample of what the model makes of the task.

    Raises:
        AnamnesisError: the loss is NaN or infinite, or the checkpoint is damaged.
        SystemExit: the process was asked to end (SIGINT, SIGTERM); the last checkpoint stays.
    """
    _quiet()
    memory.keep()
    best = Best(on_epoch)
    callbacks: list[Callback] = [FiniteLoss(name), Bar(name), best, Terminate()]
    if settings.patience is not None:
        callbacks.append(EarlyStopping(MONITOR, patience=settings.patience, check_finite=False))
    callbacks.append(Checkpoints(checkpoint, settings.checkpoint_steps))
    trainer = Trainer(
        accelerator=settings.accelerator,
        devices=1,
        precision=_precision(settings),
        max_epochs=settings.epochs,
        gradient_clip_val=settings.clip_norm,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        deterministic="warn",
        default_root_dir=checkpoint.parent,
    )
    resumed = checkpoint.exists()
    first_step = _steps_done(checkpoint) if resumed else 0
    start, cpu_start = time.perf_counter(), time.process_time()
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
        best.weights, best.epoch, best.history, best.samples, seconds, cpu_seconds, trainer.global_step - first_step
    )


def _precision(settings: Training) -> Any:
    """The precision to train in, where `auto` leaves it to the device."""
    if settings.precision != "auto":
        return settings.precision
    if settings.accelerator == "cpu" or not torch.cuda.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


def _steps_done(checkpoint: Path) -> int:
    """Optimiser steps in a checkpoint, which is read without running any code that it may hold.

    Raises:
        AnamnesisError: it cannot be read.
    """
    try:
        return int(torch.load(checkpoint, weights_only=True, map_location="cpu")["global_step"])
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AnamnesisError(f"{checkpoint}: not a checkpoint ({reason}); delete it to train from the start") from None


def _quiet() -> None:
    """Lightning's remarks on hardware, workers and loggers are not for the user of a pipeline."""
    for logger in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning.*")
    warnings.filterwarnings("ignore", module="lightning_fabric.*")
