"""Training on a device: in mixed precision, killed and resumed, and with clipped gradients of their true size."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import toys
from safetensors.numpy import load_file

from anamnesis.training.module import TrainingModule

from .conftest import settings

Project = Callable[..., Path]
# Relative tolerance of a metric: bfloat16 has 8 bits, and errors grow over the steps.
MIXED = 0.06
# A resumed training has every bit of the interrupted one. On a CPU it ends with the same bytes; on a GPU some kernels
# add in an order that changes from call to call, and errors in the last of 24 bits grow over the steps.
RESUMED = {"cpu": 0.0, "cuda": 1e-3}


def losses(folder: Path) -> np.ndarray:
    """The metrics of each epoch that are minimised: no accuracies."""
    history = pd.read_csv(folder / "history.csv")
    return history.filter(regex=r"^(?!.*(accuracy|f1))").to_numpy()


@pytest.mark.parametrize("network", toys.NETWORKS, indirect=True)
def test_mixed_precision_learns_as_single_precision_does(project: Project, device: str, network: str) -> None:
    single = toys.train(network, project(network, "single"), experiment=settings(network, device))
    mixed = toys.train(network, project(network, "mixed"), experiment=settings(network, device, "bf16-mixed"))
    assert np.isfinite(losses(single)).all()
    np.testing.assert_allclose(losses(mixed), losses(single), rtol=MIXED)
    before, after = (load_file(folder / "weights.safetensors") for folder in (single, mixed))
    assert {key: value.dtype for key, value in after.items()} == {key: value.dtype for key, value in before.items()}
    assert any((before[key] != after[key]).any() for key, value in after.items() if value.dtype == np.float32)


class Killed(Exception):
    """Stands for the end of a process."""


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize(
    "name", ["language-lstm", "language-scrn-tanh", "translation-attention", "classification-birnn"]
)
def test_killed_and_resumed(
    project: Project, monkeypatch: pytest.MonkeyPatch, device: str, name: str, precision: str
) -> None:
    if device == "cpu" and precision != "32-true":
        pytest.skip("16 bits gain nothing on a CPU; in 32 bits, every one of the trainings is killed there, too")
    experiment = settings(name, device, precision, epochs=2, checkpoint_steps=3)
    whole = toys.train(name, project(name, "whole"), experiment=experiment)
    root = project(name, "killed")
    change, per_epoch = TrainingModule._change_rate, len(toys.plan(name, root, experiment).train)

    def end(self: Any, steps: int) -> None:
        change(self, steps)
        # After the first checkpoint of the second epoch; no toy has shorter epochs.
        if steps == per_epoch + 4:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "_change_rate", end)
        with pytest.raises(Killed):
            toys.train(name, root, experiment=experiment)
    assert list((root / ".anamnesis" / "checkpoints" / name).glob("*.ckpt"))
    assert not (root / "models" / name).exists()
    resumed = toys.train(name, root, experiment=experiment)
    np.testing.assert_allclose(losses(resumed), losses(whole), rtol=RESUMED[device])
    before, after = (load_file(folder / "weights.safetensors") for folder in (whole, resumed))
    for key, value in before.items():
        np.testing.assert_allclose(after[key], value, rtol=0, atol=RESUMED[device], err_msg=key)


@pytest.mark.parametrize("precision", ["32-true", "16-mixed"])
def test_gradients_are_clipped_at_their_true_size(project: Project, device: str, precision: str) -> None:
    """A step of gradient descent has the length of the clipped gradient, for every scale of the loss."""
    if device == "cpu" and precision == "16-mixed":
        pytest.skip("a CPU has no 16-mixed; test_step.py scales gradients on it")
    clip, epochs = 0.01, 8
    changes = {"optimizer": "sgd", "learning_rate": 1.0, "clip_norm": clip, "epochs": epochs}
    experiment = settings("forecasting-fc", device, precision, **changes).model_copy(update={"batch": 10_000})
    root = project("forecasting-fc")
    network = toys.plan("forecasting-fc", root, experiment).network
    initial = {key: value.detach().clone() for key, value in network.named_parameters()}
    final = load_file(toys.train("forecasting-fc", root, experiment=experiment) / "weights.safetensors")
    moved = math.sqrt(
        sum(float((torch.from_numpy(final[key]) - value).square().sum()) for key, value in initial.items())
    )
    # A scale that is too large at first costs some of the steps.
    assert 0.9 * clip < moved < 1.01 * epochs * clip
