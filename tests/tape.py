"""A recorder of training steps on the CPU, which repeats their operations without Python as a CUDA graph would."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape(TorchDispatchMode):
    """Keeps every operation with its operands and results; `replay` does them again, into the same memory."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self.made: set[int] = set()
        self.before: list[tuple[Tensor, Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self._keep_operands(args, kwargs)
        result = func(*args, **kwargs)
        aliases = [each.alias_info for each in (*func._schema.returns, *func._schema.arguments)]
        writes = any(each is not None and each.is_write for each in aliases)
        stores = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        results = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        new = [leaf for leaf in results if leaf.untyped_storage().data_ptr() not in stores]
        self.made.update(leaf.untyped_storage().data_ptr() for leaf in new)
        # A view shows the present values of what it views.
        if writes or new:
            self.operations.append((func, args, kwargs, [] if writes else results))
        return result

    def _keep_operands(self, args: Any, kwargs: Any) -> None:
        """Keep the values of tensors that were there before, some of which the operation may change."""
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor) and leaf.untyped_storage().data_ptr() not in self.made:
                self.before.append((leaf.detach(), leaf.detach().clone()))
                self.made.add(leaf.untyped_storage().data_ptr())

    def restore(self) -> None:
        """Undo what the operations have changed."""
        for tensor, value in self.before:
            tensor.copy_(value)
        self.before.clear()

    def replay(self) -> None:
        for func, args, kwargs, results in self.operations:
            again = [leaf for leaf in tree_leaves(func(*args, **kwargs)) if isinstance(leaf, Tensor)]
            for old, new in zip(results, again, strict=False):
                old.copy_(new)


class TapeRecorder:
    """`graphs.Recorder` on the CPU.

    As with a CUDA graph, recording changes no tensor that was there before.
    """

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def enter(self) -> AbstractContextManager[None]:
        return nullcontext()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        self.recorded += 1
        random, tape = torch.get_rng_state(), Tape()
        with tape:
            work()
        with torch.no_grad():
            tape.restore()
        torch.set_rng_state(random)

        def replay() -> None:
            self.replayed += 1
            # With gradients enabled, as some kernels of oneDNN keep what their backward pass needs only then.
            with torch._C._AutoDispatchBelowAutograd():
                tape.replay()

        return replay
