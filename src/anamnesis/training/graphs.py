"""CUDA graphs of the training step: recorded once for each shape of batch, then replayed without Python."""

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

# Each graph has memory and launch tables of its own; more shapes than this are rare, and run without one.
MOST_GRAPHS = 128

# These shape their result by an index, which waits for its values only if it is a mask.
_INDEXING = (torch.ops.aten.index.Tensor, torch.ops.aten.index_put.default, torch.ops.aten.index_put_.default)

Step = Callable[[Any, Any], Any]
"""(batch, state) -> the state after the step, detached, a tree of the same structure and shapes."""


class Recorder(Protocol):
    """A device that can record work and repeat it."""

    device: torch.device

    def enter(self) -> AbstractContextManager[None]:
        """A context in which all steps are taken and recorded."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record the work without doing it; the result does it with the values that its tensors then have.

        Both are called inside `enter`.
        """


class CudaRecorder:
    """Records CUDA graphs, which share their memory, because only one runs at a time.

    All work runs in one stream beside the default one: autograd continues on the stream of the forward pass, and the
    default stream cannot be recorded.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def enter(self) -> Iterator[None]:
        """See `Recorder`."""
        outside = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(outside)
        with torch.cuda.stream(self.stream):
            yield
        outside.wait_stream(self.stream)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """See `Recorder`."""
        graph = torch.cuda.CUDAGraph()
        # Not in the context of `torch.cuda.graph`, which first waits for the GPU and frees all memory that it keeps,
        # for each of a hundred shapes. Another thread pins the next batches meanwhile, which a recording in the mode
        # `global` would refuse.
        with _no_collection():
            graph.capture_begin(pool=self.pool, capture_error_mode="thread_local")
            try:
                try:
                    work()
                finally:
                    graph.capture_end()
            except RuntimeError:
                # After a failure, the random numbers of a recording would still be expected, and dropout refused.
                generator = torch.cuda.default_generators[self.stream.device_index]
                generator.graphsafe_set_state(generator.clone_state())
                raise
        return graph.replay


@contextmanager
def _no_collection() -> Iterator[None]:
    """No cycles of garbage are freed: graphs of a training that has failed, or events of its pinned memory, would end
    in the middle of a recording, which then fails.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@dataclass(frozen=True)
class Recorded:
    """A recorded step with the tensors that it reads and writes.

    Attributes:
        replay: does the step with the present values of `inputs` and `before`, and writes those of `after`.
        inputs: the tensors of the batch.
        before: the tensors of the state before the step.
        after: the state after it, a tree.
    """

    replay: Callable[[], None]
    inputs: Sequence[Tensor]
    before: Sequence[Tensor]
    after: Any


class StepGraphs:
    """Takes training steps: the first of each shape as it is, the second recorded, all later ones by replay.

    The first one whose batch and state have these types and numbers of dimensions is watched for what a graph cannot
    repeat: results whose shape depends on values, and tensors on the CPU. Such steps, and those of shapes beyond
    `MOST_GRAPHS`, are never recorded; one line says why. If the device refuses to record a step that seemed fit for it,
    one line says so, and this and all later steps are taken as they are.

    Args:
        name: the experiment, for messages.
        step: forward and backward pass and the optimiser's step, in place.
        recorder: the device.
    """

    def __init__(self, name: str, step: Step, recorder: Recorder) -> None:
        self.name, self.step, self.recorder = name, step, recorder
        self.recorded: dict[Any, Recorded] = {}
        # By shapes of batch and state, why a step cannot be recorded; None: it can.
        self.reasons: dict[Any, str | None] = {}
        # The same by types and numbers of dimensions: watching may double the time of a step, and shapes are many.
        self.reasons_by_kind: dict[Any, str | None] = {}
        # By shapes, the tensors that hold the carried state for every graph, so that steps rarely copy it.
        self.states: dict[Any, Any] = {}
        self.note_printed = self.recording_failed = False

    def __call__(self, batch: Any, state: Any) -> Any:
        """The state after a step with this batch.

        Args:
            batch: a tree with tensors on any device.
            state: the state that the previous step returned.
        """
        leaves, tree = tree_flatten(batch)
        parts, state_tree = tree_flatten(state)
        key = (tree, *map(_describe, leaves), state_tree, *map(_describe, parts))
        if key not in self.reasons:
            kind = (tree, *map(_describe_kind, leaves), state_tree, *map(_describe_kind, parts))
            after = (
                self._run_step(leaves, tree, state)
                if kind in self.reasons_by_kind
                else self._watch(kind, leaves, tree, state)
            )
            self.reasons[key] = self.reasons_by_kind[kind]
            # The state of a later step of these shapes then has its place.
            self._get_buffers(after)
            return after
        if key not in self.recorded and not (
            self.reasons[key] or self.recording_failed or len(self.recorded) >= MOST_GRAPHS
        ):
            self._record(key, leaves, tree, state)
        if key not in self.recorded:
            return self._run_step(leaves, tree, state)
        return self._replay(self.recorded[key], leaves, state)

    def _run_step(self, leaves: Sequence[Any], tree: Any, state: Any) -> Any:
        """A step as it is."""
        return self.step(tree_unflatten(self._move(leaves), tree), state)

    def _watch(self, kind: Any, leaves: Sequence[Any], tree: Any, state: Any) -> Any:
        """A step as it is, which decides whether later ones of its kind are recorded."""
        others = [type(leaf).__name__ for leaf in leaves if not isinstance(leaf, Tensor | bool | int | str | None)]
        # Not watched itself: copying a batch to the device is no part of a graph.
        batch, watch = tree_unflatten(self._move(leaves), tree), _Watch(self.recorder.device)
        with nullcontext() if others else watch:
            after = self.step(batch, state)
        reason = f"a batch holds {others[0]} on the CPU" if others else watch.reason
        self.reasons_by_kind[kind] = reason
        if reason:
            self._print_note(reason)
        return after

    def _print_note(self, reason: str) -> None:
        if not self.note_printed:
            self.note_printed = True
            print(f"note: {self.name} trains without CUDA graphs: {reason}", file=sys.stderr, flush=True)

    def _move(self, leaves: Sequence[Any]) -> list[Any]:
        device = self.recorder.device
        return [leaf.to(device, non_blocking=True) if isinstance(leaf, Tensor) else leaf for leaf in leaves]

    def _get_buffers(self, state: Any) -> Any:
        """A tree of tensors that hold states of these shapes between steps; the same one for the same shapes."""
        parts, tree = tree_flatten(state)
        key = (tree, *map(_describe, parts))
        if key not in self.states:
            buffers = [torch.empty_like(part) if isinstance(part, Tensor) else part for part in parts]
            self.states[key] = tree_unflatten(buffers, tree)
        return self.states[key]

    def _record(self, key: Any, leaves: Sequence[Any], tree: Any, state: Any) -> None:
        """Record a step, or note that the device refuses to."""
        # Copies, also of what is on the device already, and without waiting for it.
        inputs = [each.clone() if isinstance(each, Tensor) else each for each in self._move(leaves)]
        batch, before, after = tree_unflatten(inputs, tree), self._get_buffers(state), list[Any]()
        _copy(_list_tensors(state), _list_tensors(before))

        def work() -> None:
            result = self.step(batch, before)
            # The first step has returned one of these shapes, so that this allocates nothing.
            after.append(self._get_buffers(result))
            _copy(_list_tensors(result), _list_tensors(after[0]))

        try:
            replay = self.recorder.record(work)
        except RuntimeError as error:
            self.recording_failed = True
            # Their random numbers would not be those that follow.
            self.recorded.clear()
            self._print_note(f"recording failed: {str(_find_first(error)).strip().splitlines()[0]}")
        else:
            self.recorded[key] = Recorded(replay, _list_tensors(inputs), _list_tensors(before), after[0])

    def _replay(self, recorded: Recorded, leaves: Sequence[Any], state: Any) -> Any:
        for value, tensor in zip(_list_tensors(leaves), recorded.inputs, strict=True):
            tensor.copy_(value, non_blocking=True)
        _copy(_list_tensors(state), recorded.before)
        recorded.replay()
        return recorded.after


class _Watch(TorchDispatchMode):
    """Notes the first operation that a graph cannot repeat.

    Attributes:
        reason: what it does, for a message; None: there was none.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self.reason: str | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.reason is None:
            self.reason = self._reason(func, args, [*tree_flatten((args, kwargs, result))[0]])
        return result

    def _reason(self, func: Any, args: Any, leaves: Sequence[Any]) -> str | None:
        if func in _INDEXING:
            by_values = any(part is not None and part.dtype in (torch.bool, torch.uint8) for part in args[1])
        else:
            by_values = bool({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(func.tags))
        if by_values:
            return f"{func} depends on the values of a batch"
        # Also a single number on the CPU: a graph would repeat the one it had when it was recorded.
        if any(isinstance(leaf, Tensor) and leaf.device.type != self.device.type for leaf in leaves):
            return f"{func} has a tensor on the CPU"
        return None


def _find_first(error: BaseException) -> BaseException:
    """The error behind an error: of a failed recording, CUDA also refuses the end, and says only that."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def _list_tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _copy(values: Sequence[Tensor], tensors: Sequence[Tensor]) -> None:
    """Copy values into tensors, of which the values may be parts."""
    stores = {tensor.untyped_storage().data_ptr() for tensor in tensors}
    pairs = [(value, tensor) for value, tensor in zip(values, tensors, strict=True) if value is not tensor]
    # First out of the way of the other copies.
    values = [value.clone() if value.untyped_storage().data_ptr() in stores else value for value, _ in pairs]
    for value, (_, tensor) in zip(values, pairs, strict=True):
        tensor.copy_(value)


def _describe(leaf: Any) -> Any:
    """What a graph has of a leaf: of a tensor its shape and type, of anything else the value, if it has a hash."""
    if isinstance(leaf, Tensor):
        return leaf.shape, leaf.dtype
    return leaf if isinstance(leaf, bool | int | float | str | None) else type(leaf)


def _describe_kind(leaf: Any) -> Any:
    """The same without the sizes of a tensor."""
    return (leaf.dim(), leaf.dtype) if isinstance(leaf, Tensor) else _describe(leaf)
