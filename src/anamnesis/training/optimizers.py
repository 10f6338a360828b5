"""Optimisers and learning-rate schedules, as `LightningModule.configure_optimizers` returns them."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, ReduceLROnPlateau

from anamnesis.training.settings import Constant, Cosine, Decay, Plateau, Training

MONITOR = "valid_loss"


def configure(parameters: Iterable[torch.nn.Parameter], settings: Training, steps_per_epoch: int) -> dict[str, Any]:
    """The optimiser and, unless the learning rate is constant, its schedule.

    The optimiser is fused, one kernel for all parameters, and on a GPU its step count stays there (capturable). The
    `plateau` schedule and early stopping monitor the logged metric `valid_loss`.

    Args:
        parameters: the parameters to optimise, on their final device.
        settings: the experiment's `training` block.
        steps_per_epoch: batches of the training loader.
    """
    parameters = list(parameters)
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "adam":
        optimizer = torch.optim.Adam(
            parameters,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
            capturable=any(parameter.is_cuda for parameter in parameters),
        )
    else:
        optimizer = torch.optim.SGD(
            parameters,
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        if settings.momentum:
            for parameter in parameters:
                # Otherwise uninitialised memory if gradient scaling skips the first step, as it often does.
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    match settings.schedule:
        case Constant():
            return {"optimizer": optimizer}
        case Plateau(divide_by=divisor, patience=patience):
            # PyTorch counts the epochs it tolerates, so waiting for one bad epoch is a patience of 0.
            scheduler = ReduceLROnPlateau(optimizer, factor=1 / divisor, patience=patience - 1, threshold=0.0, eps=0.0)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": MONITOR}}
        case Decay(factor=factor, after=after):
            decay = LambdaLR(optimizer, lambda epoch: factor ** max(0, epoch + 1 - after))
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": decay, "interval": "epoch"}}
        case Cosine(final=final):
            cosine = CosineAnnealingLR(
                optimizer, settings.epochs * steps_per_epoch, eta_min=final * settings.learning_rate
            )
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}
