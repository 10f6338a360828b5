"""A device for tests without a GPU: tensors on PyTorch's device "meta", which has shapes and no values."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = "meta"
READS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.equal.default)
# The lengths of packed sequences are on the CPU, which computes the sizes of the batches from them.
MIXED = (torch.ops.aten._pack_padded_sequence.default,)


class FakeGPU(TorchDispatchMode):
    """Refuses what a GPU refuses: an operation on tensors of both devices, and NumPy's view of a tensor's memory.

    Attributes:
        readable: whether values may be read, and tensors copied to the device or back. If they may, every value is 0
            or True; if not, that raises an AssertionError.
    """

    def __init__(self, readable: bool = True) -> None:
        super().__init__()
        self.readable = readable

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with self:
            # In inference mode, an operation that consists of others arrives whole.
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        # A tensor without dimensions may stand for a number.
        devices = {each.device.type for each in tensors if each.dim()}
        if func in READS and tensors[0].device.type == DEVICE:
            assert self.readable, f"{func} reads a value"
            return False if func is READS[1] else torch.zeros((), dtype=tensors[0].dtype).item()
        target = torch.device(kwargs.get("device") or "cpu").type if "device" in kwargs else None
        if func is torch.ops.aten._to_copy.default and target not in (None, *devices):
            assert self.readable, f"{func} copies a tensor from one device to another"
            dtype = kwargs.get("dtype") or args[0].dtype
            return torch.full(args[0].shape, dtype == torch.bool, dtype=dtype, device=target)
        assert len(devices) < 2 or func in MIXED, f"{func} has tensors of both devices"
        masks = [each for each in tensors if each.dtype == torch.bool and "index" in func.__name__]
        waits = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(func.tags)
        assert DEVICE not in devices or not waits or ("index" in func.__name__ and not masks), f"{func} reads values"
        return func(*args, **kwargs)


@contextmanager
def no_reading() -> Iterator[None]:
    """A `FakeGPU` that is not readable. Tensors of numbers, which are copied unseen by the dispatcher, are refused."""

    def refuse(*others: Any, **more: Any) -> Any:
        raise AssertionError("a new tensor copies numbers to its device")

    with patch.multiple(torch, tensor=refuse, as_tensor=refuse, from_numpy=refuse), FakeGPU(readable=False):
        yield
