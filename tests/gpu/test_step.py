"""One training step of every network: the same on every device, and without the processor waiting for a GPU."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from anamnesis.training import fit, guards, stage
from anamnesis.training.checkpoints import Checkpoints
from anamnesis.training.optimizers import configure
from anamnesis.training.prefetch import Prefetched
from anamnesis.training.settings import Training

from .conftest import NETWORKS, settings, train

# PyTorch's adaptive softmax asks which targets are in which cluster.
WAITING = ("language-adaptive", "cloze-adaptive")


class Stop(Exception):
    """Ends a train stage when there is nothing left to do for it."""


@dataclass
class Captured:
    """What a train stage would have trained, and with what."""

    module: Any
    train: Any


def capture(monkeypatch: pytest.MonkeyPatch, experiment: Any, root: Path) -> Captured:
    """The module and the loader that the train stage of `experiment` makes."""
    found: list[Captured] = []

    def instead(name: str, module: Any, train: Any, *others: Any) -> None:
        found.append(Captured(module, train))
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(stage, "fit", instead)
        with pytest.raises(Stop):
            train("captured", experiment, root)
    return found[0]


def without_dropout(module: Any) -> None:
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0


def moved(batch: Any, device: str) -> Any:
    return apply_to_collection(batch, Tensor, Tensor.to, device)


def doubled(batch: Any) -> Any:
    return apply_to_collection(batch, Tensor, lambda part: part.double() if part.is_floating_point() else part)


def gradients(module: Any) -> dict[str, Tensor]:
    return {name: value.grad.cpu().double() for name, value in module.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("name", NETWORKS)
def test_loss_and_gradients_are_those_in_double_precision_on_the_cpu(
    projects: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, device: str, name: str
) -> None:
    """At equal weights. cuDNN is asked not to round to the 11 bits of TF32, as it otherwise may."""
    root = projects(name)
    captured = capture(monkeypatch, settings(name, device), root)
    reference = capture(monkeypatch, settings(name, "cpu"), root).module.double()
    module = captured.module.to(device)
    # Two in a row, so that a carried state is carried.
    batches = [batch for _, batch in zip(range(2), captured.train, strict=False)]
    for each in (module, reference):
        without_dropout(each.train())
    with torch.backends.cudnn.flags(allow_tf32=False):
        found = sum(module.training_step(moved(batch, device), 0) for batch in batches)
        found.backward()
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        expected = sum(reference.training_step(doubled(batch), 0) for batch in batches)
        expected.backward()
    finally:
        torch.set_default_dtype(default)
    assert found.device.type == device
    assert next(reference.network.parameters()).dtype == torch.float64
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    wanted, got = gradients(reference), gradients(module)
    assert wanted.keys() == got.keys()
    largest = max(float(value.norm()) for value in wanted.values())
    for key, value in wanted.items():
        # In numbers of 24 bits, relative to the gradient of this weight or to a thousandth of the largest.
        assert float((got[key] - value).norm()) <= 1e-4 * max(float(value.norm()), 1e-3 * largest), key
    assert float(module.loss_sum) == pytest.approx(float(reference.loss_sum), rel=1e-5)


class NoAnswers(TorchDispatchMode):
    """Refuses operations that tell the processor what a tensor holds, for which a GPU would have to finish first."""

    ASKING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "bincount", "repeat_interleave", "equal")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.partition(".")[0].lstrip("_")
        masks = [part for part in args[1] if part is not None] if name in ("index", "index_put") else []
        asks = name in (each.lstrip("_") for each in self.ASKING) or any(part.dtype == torch.bool for part in masks)
        # PyTorch's recurrent layers ask for the sizes of packed batches, which are always on the CPU.
        if asks and not any(frame.filename.endswith("nn/modules/rnn.py") for frame in traceback.extract_stack()):
            raise AssertionError(f"{func} makes the processor wait")
        return func(*args, **(kwargs or {}))


@contextmanager
def refused(device: str) -> Iterator[None]:
    """An error where the processor would wait for the GPU; on the CPU, where it would if there were one."""
    if device == "cpu":
        with NoAnswers():
            yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_waiting_is_noticed(device: str) -> None:
    values = torch.arange(4.0, device=device)
    asked: list[Callable[[], Any]] = [
        lambda: values.sum().item(),
        lambda: float(values[0]),
        lambda: values[values > 1],
        lambda: values.nonzero(),
        lambda: bool((values > 0).all()),
    ]
    for ask in asked:
        with pytest.raises((AssertionError, RuntimeError)), refused(device):
            ask()
    with refused(device):
        (values[torch.tensor([0, 1])] if device == "cpu" else values * 2).sum()


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_step_waits_for_the_gpu(
    projects: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, device: str, name: str, precision: str
) -> None:
    """Whole trainings, in which nothing waits from one look at the loss to the next: not batch, step, or callbacks.

    On the CPU, where batches are made in the same memory, only the steps are watched.
    """
    if name in WAITING:
        pytest.skip("PyTorch's adaptive softmax waits, see docs/gpu.md")
    if device == "cpu" and precision != "32-true":
        pytest.skip("what waits does not depend on it on a CPU")
    watching: list[Any] = []
    steps: list[int] = []

    def watch() -> None:
        watching.append(refused(device))
        watching[-1].__enter__()

    def rest() -> None:
        if watching:
            watching.pop().__exit__(None, None, None)

    class First(guards.FiniteLoss):
        """Stands before the other callbacks."""

        def on_train_batch_start(self, trainer: Any, module: LightningModule, batch: Any, batch_idx: int) -> None:
            # The first step makes what stays: handles, moments, memory.
            if device == "cpu" and batch_idx:
                watch()

        def on_train_batch_end(self, trainer: Any, module: Any, *others: Any) -> None:
            rest()
            super().on_train_batch_end(trainer, module, *others)

    class Last(Checkpoints):
        """Stands behind them."""

        def on_train_batch_end(self, trainer: Any, module: LightningModule, *others: Any) -> None:
            super().on_train_batch_end(trainer, module, *others)
            steps.append(trainer.global_step)
            if device == "cuda" and others[-1] + 1 < trainer.num_training_batches:
                watch()

    monkeypatch.setattr(fit, "FiniteLoss", First)
    monkeypatch.setattr(fit, "Checkpoints", Last)
    try:
        train("watched", settings(name, device, precision, checkpoint_steps=1000), projects(name))
    finally:
        rest()
    assert len(steps) >= 3


@pytest.mark.parametrize("clip_norm", [0.1, None])
def test_scaled_gradients_give_the_step_of_plain_ones(device: str, clip_norm: float | None) -> None:
    """The scaling of 16-mixed around our fused optimiser: the same steps, and no step where a gradient is infinite."""
    changes = Training(epochs=1, learning_rate=0.1, clip_norm=clip_norm)
    results = []
    for scale in (1.0, 1024.0):
        torch.manual_seed(1)
        weight = torch.nn.Parameter(torch.randn(5, device=device))
        optimizer = configure([weight], changes, 10)["optimizer"]
        scaler = torch.amp.GradScaler(device, init_scale=scale)
        for step in range(4):
            optimizer.zero_grad()
            scaler.scale((weight * (step + 1)).square().sum() * (torch.inf if step == 2 else 1.0)).backward()
            if clip_norm is not None:
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_([weight], clip_norm)
            scaler.step(optimizer)
            scaler.update()
        results.append(weight.detach().cpu())
    torch.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-7)
    assert torch.isfinite(results[0]).all()


def test_batches_arrive_as_they_were_made(
    projects: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    """Made one ahead in another thread, and on a GPU machine pinned; what packing needs stays on the CPU."""
    loader = capture(monkeypatch, settings("documents-birnn", device), projects("batches")).train
    again = capture(monkeypatch, settings("documents-birnn", device), projects("again")).train
    for (read, labels), (ids, expected) in zip(Prefetched(loader, pin=device == "cuda"), again, strict=True):
        assert read[0].is_pinned() == (device == "cuda")
        assert torch.equal(read[0].to(device, non_blocking=True).cpu(), ids[0])
        assert (read[1] == ids[1]).all()
        assert torch.equal(labels, expected)
