"""The optimiser for a device."""

import pytest
import torch

from anamnesis.training.optimizers import configure
from anamnesis.training.settings import Training


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_fused_and_on_the_cpu_not_capturable(optimizer: str) -> None:
    settings = Training(epochs=1, optimizer=optimizer, learning_rate=0.1)
    made = configure([torch.nn.Parameter(torch.zeros(3))], settings, 10)["optimizer"]
    assert made.defaults["fused"]
    # On the CPU, counting steps in a tensor is of no use.
    assert not made.defaults.get("capturable")
