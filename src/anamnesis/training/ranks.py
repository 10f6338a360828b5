"""The processes that train one network together: their number, the rank of this one, sums and gathers."""

import torch
from torch import Tensor, distributed


def count() -> int:
    """The number of processes that train together."""
    return distributed.get_world_size() if _together() else 1


def own() -> int:
    """The rank of this process, from 0."""
    return distributed.get_rank() if _together() else 0


def total(value: Tensor) -> Tensor:
    """The sum of `value` over all processes, which have tensors of the same shape; `value` itself for one process."""
    if not _together():
        return value
    result = value.clone()
    distributed.all_reduce(result)
    return result


def gather(value: Tensor) -> Tensor:
    """The `value` of every process, (processes, *shape), on the device of `value`; all have the same shape."""
    if not _together():
        return value[None]
    # NCCL reaches nothing but the memory of GPUs.
    device = torch.device("cuda") if distributed.get_backend() == "nccl" else value.device
    parts = [torch.empty_like(value, device=device) for _ in range(count())]
    distributed.all_gather(parts, value.to(device).contiguous())
    return torch.stack(parts).to(value.device)


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
