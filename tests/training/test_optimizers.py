"""The optimiser for a device and a precision."""

import pytest
import torch

from anamnesis.training.optimizers import configure
from anamnesis.training.settings import Training


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("clip_norm", [None, 1.0])
@pytest.mark.parametrize("scaled", [False, True])
def test_fused_unless_scaled_gradients_are_clipped(optimizer: str, clip_norm: float | None, scaled: bool) -> None:
    settings = Training(epochs=1, optimizer=optimizer, learning_rate=0.1, clip_norm=clip_norm)
    made = configure([torch.nn.Parameter(torch.zeros(3))], settings, 10, scaled)["optimizer"]
    assert made.defaults["fused"] == (clip_norm is None or not scaled)
    # On the CPU, counting steps in a tensor is of no use.
    assert not made.defaults.get("capturable")
