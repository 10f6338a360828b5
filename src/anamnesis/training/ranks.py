"""Several processes that train one network together: how many, which one this is, and what all of them know."""

import torch
from torch import Tensor, distributed


def count() -> int:
    """How many processes train together now."""
    return distributed.get_world_size() if _together() else 1


def own() -> int:
    """This process's number among them, from 0."""
    return distributed.get_rank() if _together() else 0


def total(value: Tensor) -> Tensor:
    """The sum of all processes' `value`, of one shape everywhere; `value` itself where there is one process."""
    if not _together():
        return value
    result = value.clone()
    distributed.all_reduce(result)
    return result


def gathered(value: Tensor) -> Tensor:
    """Every process's `value`, of one shape everywhere, as (processes, *shape) on the device that `value` is on."""
    if not _together():
        return value[None]
    # NCCL reaches nothing but the memory of GPUs.
    device = torch.device("cuda") if distributed.get_backend() == "nccl" else value.device
    parts = [torch.empty_like(value, device=device) for _ in range(count())]
    distributed.all_gather(parts, value.to(device).contiguous())
    return torch.stack(parts).to(value.device)


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
