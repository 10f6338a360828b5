"""The precision that a network trains in."""

from typing import Any

import torch
from torch import nn

from anamnesis.training.settings import Trainer

# Parameters from which a network trains in 16 bits. Each costs about 6 operations for a token (Kaplan et al. 2020,
# section 2.1), 80 billion for a batch of 3,200 tokens: 1 to 2 ms in 32 bits on a large GPU. Below that, a step waits
# for kernels to start and for one time step after the other, which 16 bits do not shorten, while each conversion
# between the two is one more kernel.
MIXED_FROM = 4_000_000


def precision_of(machine: Trainer, network: nn.Module) -> Any:
    """Lightning's `precision` for training a network on a machine.

    `auto` is float16 with scaled gradients for a large network on a GPU. PyTorch's autocast runs cuDNN's recurrent
    layers in float16 for bfloat16, too, where small gradients vanish that nothing scales.

    With `auto`, it depends on the device and on the size of the network only, not on a measurement, so that a training
    can be repeated.

    Args:
        machine: the experiment's `trainer` block.
        network: the network that is trained.
    """
    if machine.precision != "auto":
        return machine.precision
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if machine.accelerator == "cpu" or not torch.cuda.is_available() or parameters < MIXED_FROM:
        return "32-true"
    return "16-mixed"
