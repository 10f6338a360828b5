"""One fit of a tiny network: sums over targets, carried state, schedules, early stopping, errors and signals."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from anamnesis.errors import AnamnesisError
from anamnesis.training.batches import Batches
from anamnesis.training.fit import Fitted, fit
from anamnesis.training.module import TrainingModule
from anamnesis.training.plan import Loss, NetworkPlan, Sums
from anamnesis.training.settings import Trainer, Training

torch.set_num_threads(1)
VALUES = torch.tensor([1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 1.0])


class Mean(nn.Module):
    """One number, which squared errors move to the mean of the values."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1))


def squared_errors(network: Mean, batch: Tensor, state: Any = None) -> Loss:
    errors = (network.value - batch).square()
    return Loss(errors.sum(), len(batch), sums={"largest": batch.max()})


def metrics(train: Sums, valid: Sums) -> dict[str, float]:
    return {"train_loss": train.mean, "valid_loss": valid.mean, "largest": float(valid.more["largest"])}


def new_plan(loss: Any = squared_errors, valid: Tensor = VALUES) -> NetworkPlan:
    network = Mean()
    return NetworkPlan(
        network,
        lambda batch, state: loss(network, batch, state),
        Batches(lambda rows: VALUES[rows], len(VALUES), 4, None),
        Batches(lambda rows: valid[rows], len(valid), 3, None),
        metrics,
        headline="valid_loss",
        unit="numbers",
        units=len(VALUES),
        sums={"largest": torch.zeros(())},
    )


def run(tmp_path: Path, plan: NetworkPlan, on_epoch: Any = lambda row: "", **training: Any) -> Fitted:
    settings = Training(**{"epochs": 3, "optimizer": "sgd", "learning_rate": 0.1, "clip_norm": None, **training})
    return fit("toy", plan, settings, Trainer(), tmp_path / "toy.ckpt", on_epoch)


def test_losses_are_means_over_targets_and_the_best_weights_are_kept(tmp_path: Path) -> None:
    """Against gradient descent by hand: d/dv mean (v - x)^2 = 2 (v - mean x), over batches of 4 and 3 values."""
    fitted = run(tmp_path, new_plan(), learning_rate=0.8)
    value, best = 0.0, (float("inf"), 0, 0.0)
    for row in fitted.history:
        total = 0.0
        for batch in (VALUES[:4], VALUES[4:]):
            total += float((value - batch).square().sum())
            value -= 0.8 * 2 * (value - float(batch.mean()))
        valid = float((value - VALUES).square().mean())
        best = min(best, (valid, row["epoch"], value))
        assert row["train_loss"] == pytest.approx(total / len(VALUES), rel=1e-5)
        assert row["valid_loss"] == pytest.approx(valid, rel=1e-5)
        # Of validation batches of 3, 3 and 1 values.
        assert row["largest"] == 4 + 8 + 1
    assert fitted.best_epoch == best[1]
    assert fitted.weights["value"].item() == pytest.approx(best[2], rel=1e-5)
    assert fitted.steps == 6


def test_a_batch_without_targets_has_loss_zero() -> None:
    plan = new_plan(lambda network, batch, state: Loss((network.value * 0).sum(), torch.tensor(0)))
    module = TrainingModule(plan, Training(epochs=1, learning_rate=0.1))
    assert module.mean_loss(VALUES, None)[0].item() == 0.0
    assert module.train_count.item() == 0


def test_state_is_carried_from_batch_to_batch_and_validation_starts_without_one(tmp_path: Path) -> None:
    states: list[tuple[bool, Any]] = []

    def loss(network: Mean, batch: Tensor, state: Any) -> Loss:
        states.append((network.training, state))
        return Loss((network.value - batch).square().sum(), len(batch), state=(state or 0) + 1)

    plan = new_plan(loss)
    run(tmp_path, plan, epochs=2)
    # The loss decides by its batch where a stream starts again, so training carries its state over epochs.
    assert [state for training, state in states if training] == [None, 1, 2, 3]
    assert [state for training, state in states if not training] == [None, 1, 2] * 2


def test_gradients_are_clipped(tmp_path: Path) -> None:
    fitted = run(tmp_path, new_plan(), epochs=1, clip_norm=0.5)
    assert fitted.weights["value"].item() == pytest.approx(2 * 0.1 * 0.5)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"kind": "decay", "factor": 0.5, "after": 2}, [0.1, 0.1, 0.05, 0.025]),
        # By the last of two steps in each epoch.
        ({"kind": "cosine"}, [0.1 * (1 + c) / 2 for c in (0.9239, 0.3827, -0.3827, -0.9239)]),
        ({"kind": "plateau"}, [0.1, 0.1, 0.05, 0.025]),
    ],
)
def test_schedules(tmp_path: Path, schedule: dict[str, Any], expected: list[float]) -> None:
    # The validation values lie so that only the first epoch is an improvement.
    fitted = run(tmp_path, new_plan(valid=torch.tensor([1.0])), epochs=4, schedule=schedule)
    assert [row["learning_rate"] for row in fitted.history] == pytest.approx(expected, rel=1e-3)


def test_early_stopping(tmp_path: Path) -> None:
    fitted = run(tmp_path, new_plan(valid=torch.tensor([1.0])), epochs=50, patience=3)
    assert (fitted.best_epoch, len(fitted.history)) == (1, 4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path, value: float) -> None:
    def loss(network: Mean, batch: Tensor, state: Any) -> Loss:
        return Loss((network.value * value).sum() + value, len(batch))

    with pytest.raises(AnamnesisError, match=r"experiments\.toy: the training loss at step 2 is"):
        run(tmp_path, new_plan(loss))


def test_sigterm_ends_with_its_code_and_the_training_resumes(tmp_path: Path) -> None:
    expected = run(tmp_path, new_plan(), checkpoint_steps=1)
    (tmp_path / "toy.ckpt").unlink()

    def terminate(row: Any) -> str:
        if row["epoch"] == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return ""

    with pytest.raises(SystemExit) as ended:
        run(tmp_path, new_plan(), terminate, checkpoint_steps=1)
    assert ended.value.code == 128 + signal.SIGTERM
    resumed = run(tmp_path, new_plan(), checkpoint_steps=1)
    assert 0 < resumed.steps < expected.steps
    assert (resumed.history, resumed.weights) == (expected.history, expected.weights)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04"])
def test_a_damaged_checkpoint_starts_the_training_again(tmp_path: Path, capsys: Any, content: bytes) -> None:
    expected = run(tmp_path, new_plan())
    (tmp_path / "toy.ckpt").write_bytes(content)
    fitted = run(tmp_path, new_plan())
    assert (fitted.history, fitted.steps) == (expected.history, expected.steps)
    note = capsys.readouterr().err.strip()
    assert note.startswith(f"note: {tmp_path / 'toy.ckpt'} is damaged")
    assert "\n" not in note


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_missing_gpu_is_an_error(tmp_path: Path) -> None:
    settings, trainer = Training(epochs=1, learning_rate=0.1), Trainer(accelerator="gpu")
    with pytest.raises(AnamnesisError, match=r"toy: trainer\.accelerator: found 'gpu', but PyTorch sees none"):
        fit("toy", new_plan(), settings, trainer, tmp_path / "toy.ckpt", str)
