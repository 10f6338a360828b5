"""One training step of every network: the same on every device, and without waiting for the GPU."""

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import toys
from lightning_utilities.core.apply_func import apply_to_collection
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from anamnesis.nn.transfer import to_device
from anamnesis.training import fit, graphs, guards
from anamnesis.training.checkpoints import Checkpoints
from anamnesis.training.module import TrainingModule
from anamnesis.training.optimizers import configure
from anamnesis.training.prefetch import Prefetched
from anamnesis.training.settings import Training

from .conftest import settings

Project = Callable[..., Path]
# PyTorch's adaptive softmax asks which targets are in which cluster.
WAITING = ("language-adaptive", "cloze-adaptive")


def new_module(name: str, root: Path, device: str) -> TrainingModule:
    """The module that the train stage of a toy trains, without dropout, on the CPU."""
    experiment = settings(name, device)
    module = TrainingModule(toys.plan(name, root, experiment), experiment.training).train()
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    return module


def doubled(batch: Any) -> Any:
    return apply_to_collection(batch, Tensor, lambda part: part.double() if part.is_floating_point() else part)


def sum_of_losses(module: TrainingModule, batches: Iterable[Any]) -> Tensor:
    """The losses of batches, each of which continues from the state after the one before."""
    state, losses = None, []
    for batch in batches:
        loss, state = module.mean_loss(batch, state)
        losses.append(loss)
    return torch.stack(losses).sum()


def gradients(module: Any) -> dict[str, Tensor]:
    return {name: value.grad.cpu().double() for name, value in module.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("network", toys.NETWORKS, indirect=True)
def test_loss_and_gradients_equal_those_in_double_precision_on_the_cpu(
    project: Project, device: str, network: str
) -> None:
    """At equal weights, and without the rounding to 11 bits of TF32 that cuDNN may otherwise do."""
    root = project(network)
    reference = new_module(network, root, "cpu").double()
    module = new_module(network, root, device).to(device)
    # Two in a row, so that a state is carried from one to the other.
    batches = [batch for _, batch in zip(range(2), module.plan.train, strict=False)]
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        loss = sum_of_losses(module, [apply_to_collection(batch, Tensor, Tensor.to, device) for batch in batches])
        loss.backward()
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        expected = sum_of_losses(reference, map(doubled, batches))
        expected.backward()
    finally:
        torch.set_default_dtype(default)
    assert loss.device.type == device
    assert next(reference.network.parameters()).dtype == torch.float64
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    wanted, got = gradients(reference), gradients(module)
    assert wanted.keys() == got.keys()
    largest = max(float(value.norm()) for value in wanted.values())
    for key, value in wanted.items():
        # In numbers of 24 bits, relative to the gradient of this weight or to a thousandth of the largest.
        assert float((got[key] - value).norm()) <= 1e-4 * max(float(value.norm()), 1e-3 * largest), key
    assert float(module.train_total) == pytest.approx(float(reference.train_total), rel=1e-5)


class RefuseValues(TorchDispatchMode):
    """Refuses operations that return a tensor's values to the processor, which would wait for a GPU to finish."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "bincount", "repeat_interleave", "equal")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.partition(".")[0].lstrip("_")
        masks = [part for part in args[1] if part is not None] if name in ("index", "index_put") else []
        waits = name in (each.lstrip("_") for each in self.WAITING) or any(part.dtype == torch.bool for part in masks)
        # PyTorch's recurrent layers read the sizes of packed batches, which are always on the CPU.
        if waits and not any(frame.filename.endswith("nn/modules/rnn.py") for frame in traceback.extract_stack()):
            raise AssertionError(f"{func} makes the processor wait")
        return func(*args, **(kwargs or {}))


@contextmanager
def no_waiting(device: str) -> Iterator[None]:
    """Raise an error where the processor waits for the GPU; on the CPU, where it would wait for one."""
    if device == "cpu":
        with RefuseValues():
            yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_waiting_is_detected(device: str) -> None:
    values = torch.arange(4.0, device=device)
    waiting: list[Callable[[], Any]] = [
        lambda: values.sum().item(),
        lambda: float(values[0]),
        lambda: values[values > 1],
        lambda: values.nonzero(),
        lambda: bool((values > 0).all()),
    ]
    for wait in waiting:
        with pytest.raises((AssertionError, RuntimeError)), no_waiting(device):
            wait()
    with no_waiting(device):
        (values[torch.tensor([0, 1])] if device == "cpu" else values * 2).sum()


def test_a_copy_in_the_middle_of_a_step_does_not_wait_for_the_gpu(device: str) -> None:
    values, where = torch.arange(5), torch.device(device)
    # Allocating page-locked memory for the first time may wait.
    to_device(values, where)
    if device == "cuda":
        torch.cuda._sleep(2 * 10**9)
        end = torch.cuda.Event()
        end.record()
    moved = to_device(values, where)
    assert device == "cpu" or not end.query()
    assert moved.device.type == device
    assert moved.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("switch", ["auto", "never"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("name", toys.NETWORKS)
def test_no_step_waits_for_the_gpu(
    project: Project, monkeypatch: pytest.MonkeyPatch, device: str, name: str, precision: str, switch: str
) -> None:
    """Whole trainings, in which neither batches, steps nor callbacks wait, except when the loss is checked.

    On the CPU, where batches are made in the same memory, only the steps are watched.
    """
    if name in WAITING:
        pytest.skip("PyTorch's adaptive softmax waits, see docs/gpu.md")
    if device == "cpu" and (precision != "32-true" or switch == "auto"):
        pytest.skip("on a CPU, the precision does not change what waits, and there are no graphs")
    watching: list[Any] = []
    steps: list[int] = []

    def watch() -> None:
        watching.append(no_waiting(device))
        watching[-1].__enter__()

    def rest() -> None:
        if watching:
            watching.pop().__exit__(None, None, None)

    class First(guards.FiniteLoss):
        """The first callback."""

        def on_train_batch_start(self, trainer: Any, module: LightningModule, batch: Any, batch_idx: int) -> None:
            # The first step allocates handles, moments and memory.
            if device == "cpu" and batch_idx:
                watch()

        def on_train_batch_end(self, trainer: Any, module: Any, *others: Any) -> None:
            rest()
            super().on_train_batch_end(trainer, module, *others)

    class Last(Checkpoints):
        """The last callback."""

        def on_train_batch_end(self, trainer: Any, module: LightningModule, *others: Any) -> None:
            super().on_train_batch_end(trainer, module, *others)
            steps.append(trainer.global_step)
            if device == "cuda" and others[-1] + 1 < trainer.num_training_batches:
                watch()

    record = graphs.CudaRecorder.record

    def record_unwatched(self: Any, work: Any) -> Any:
        # Recording waits, once for each shape.
        rest()
        replay = record(self, work)
        watch()
        return replay

    monkeypatch.setattr(graphs.CudaRecorder, "record", record_unwatched)
    monkeypatch.setattr(fit, "GROUP", 1)
    monkeypatch.setattr(fit, "FiniteLoss", First)
    monkeypatch.setattr(fit, "Checkpoints", Last)
    try:
        experiment = settings(name, device, precision, checkpoint_steps=1000)
        trainer = experiment.trainer.model_copy(update={"graphs": switch})
        toys.train(name, project(name), experiment=experiment.model_copy(update={"trainer": trainer}))
    finally:
        rest()
    assert len(steps) >= 3


@pytest.mark.parametrize("optimizer", [{"optimizer": "adam"}, {"optimizer": "sgd", "momentum": 0.9}])
@pytest.mark.parametrize("clip_norm", [0.1, None])
def test_scaled_gradients_give_the_step_of_plain_ones(
    monkeypatch: pytest.MonkeyPatch, device: str, clip_norm: float | None, optimizer: Any
) -> None:
    """The gradient scaling of 16-mixed with fused optimisers: the same steps, and none for an infinite gradient."""
    training = Training(epochs=1, learning_rate=0.01, clip_norm=clip_norm, **optimizer)
    # Uninitialised memory is then NaN.
    torch.use_deterministic_algorithms(True, warn_only=True)
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    results = []
    for scale in (1.0, 1024.0):
        torch.manual_seed(1)
        weight = torch.nn.Parameter(torch.randn(5, device=device))
        stepper = configure([weight], training, 10)["optimizer"]
        scaler = torch.amp.GradScaler(device, init_scale=scale)
        for step in range(4):
            stepper.zero_grad()
            scaler.scale((weight * (step + 1)).square().sum() * (torch.inf if step in (0, 2) else 1.0)).backward()
            if clip_norm is not None:
                scaler.unscale_(stepper)
                torch.nn.utils.clip_grad_norm_([weight], clip_norm)
            scaler.step(stepper)
            scaler.update()
        results.append(weight.detach().cpu())
    torch.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-7)
    assert torch.isfinite(results[0]).all()


def test_prefetched_batches_are_unchanged(project: Project, device: str) -> None:
    """Another thread prepares the next batch, pinned on a GPU machine; lengths for packing stay on the CPU."""
    root = project("classification-birnn")
    loader, expected = (new_module("classification-birnn", root, device).plan.train for _ in range(2))
    for (read, labels), (ids, wanted) in zip(Prefetched(loader, pin=device == "cuda"), expected, strict=True):
        assert read[0].is_pinned() == (device == "cuda")
        assert torch.equal(read[0].to(device, non_blocking=True).cpu(), ids[0])
        assert (read[1] == ids[1]).all()
        assert torch.equal(labels, wanted)
