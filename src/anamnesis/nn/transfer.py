"""Small tensors that are made on the CPU in the middle of a step."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device, without waiting for the work that a GPU still has.

    From pageable memory, CUDA copies only after all earlier work of the stream, even where the copy is asynchronous to
    PyTorch. While it waits, the processor cannot start the next kernels.
    """
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
