"""Every task's train stage on a device: in both precisions, killed and resumed, and with scaled gradients."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from anamnesis.training import checkpoints

from .conftest import NETWORKS, settings, train
from .test_step import Captured, capture

# Of a metric: bfloat16 has 8 bits, a step in it is another step, and steps add up.
MIXED = 0.06
# A resumed run starts from every bit of the interrupted one. On a CPU it ends with its bytes; on a GPU some kernels add
# in an order that changes from call to call, and what differs in the last of 24 bits grows over the steps that follow.
RESUMED = {"cpu": 0.0, "cuda": 1e-3}


def history(folder: Path) -> list[dict[str, float]]:
    with open(folder / "history.csv", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def losses(folder: Path) -> np.ndarray:
    """Of each epoch, what was made smaller: of the training batches and of the validation split."""
    found = [
        [value for key, value in row.items() if "accuracy" not in key and "f1" not in key] for row in history(folder)
    ]
    return np.array(found)


@pytest.mark.parametrize("name", NETWORKS)
def test_mixed_precision_learns_what_single_precision_learns(
    projects: Callable[[str], Path], device: str, name: str
) -> None:
    root = projects(name)
    single = train("single", settings(name, device), root)
    mixed = train("mixed", settings(name, device, "bf16-mixed"), root)
    assert np.isfinite(losses(single)).all()
    np.testing.assert_allclose(losses(mixed), losses(single), rtol=MIXED)
    before, after = (load_file(folder / "weights.safetensors") for folder in (single, mixed))
    assert {key: value.dtype for key, value in after.items()} == {key: value.dtype for key, value in before.items()}
    trained = [key for key, value in after.items() if value.dtype == np.float32]
    # Not the same run twice.
    assert any((before[key] != after[key]).any() for key in trained)


class Killed(Exception):
    """In place of what ends a process."""


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("name", ["language-lstm", "language-scrn-tanh", "translation-attention", "documents-birnn"])
def test_killed_and_resumed(
    projects: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, device: str, name: str, precision: str
) -> None:
    if device == "cpu" and (precision, name) != ("32-true", "language-scrn-tanh"):
        pytest.skip("the others are resumed on a CPU in the tests of their tasks")
    experiment = settings(name, device, precision, epochs=2, checkpoint_steps=3)
    whole = train("mine", experiment, projects("whole"))
    root = projects("killed")
    save = checkpoints.Checkpoints.on_train_batch_end

    def end(self: Any, trainer: Any, *others: Any) -> None:
        save(self, trainer, *others)
        # Between two checkpoints, within the second epoch.
        if trainer.global_step == trainer.num_training_batches + 5:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "on_train_batch_end", end)
        with pytest.raises(Killed):
            train("mine", experiment, root)
    assert not (root / "models" / "mine").exists()
    resumed = train("mine", experiment, root)
    np.testing.assert_allclose(losses(resumed), losses(whole), rtol=RESUMED[device])
    before, after = (load_file(folder / "weights.safetensors") for folder in (whole, resumed))
    for key, value in before.items():
        np.testing.assert_allclose(after[key], value, rtol=0, atol=RESUMED[device], err_msg=key)


@pytest.mark.parametrize("precision", ["32-true", "16-mixed"])
def test_gradients_are_clipped_at_their_true_size(
    projects: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, device: str, precision: str
) -> None:
    """With gradient descent, a step is as long as the clipped gradient, whatever the loss was scaled by."""
    if device == "cpu" and precision == "16-mixed":
        pytest.skip("a CPU has no 16-mixed; scaled gradients on it: test_step.py")
    clip, epochs = 0.01, 8
    changes = {"optimizer": "sgd", "learning_rate": 1.0, "clip_norm": clip, "epochs": epochs}
    experiment = settings("forecasting-fc", device, precision, **changes).model_copy(update={"batch": 10_000})
    root = projects("clipped")
    start: Captured = capture(monkeypatch, experiment, root)
    initial = {key: value.detach().clone() for key, value in start.module.network.named_parameters()}
    folder = train("clipped", experiment, root)
    final = load_file(folder / "weights.safetensors")
    moved = math.sqrt(
        sum(float((torch.from_numpy(final[key]) - value).square().sum()) for key, value in initial.items())
    )
    # A scale that is too large at first costs some of the steps.
    assert 0.9 * clip < moved < 1.01 * epochs * clip
