"""The precision that `auto` chooses, on machines with and without a GPU."""

import pytest
import torch
from torch import nn

from anamnesis.training.precision import precision_of
from anamnesis.training.settings import Trainer

SMALL, LARGE = nn.Linear(1998, 2000), nn.Linear(2000, 2000)


@pytest.mark.parametrize(
    ("gpu", "accelerator", "precision", "network", "expected"),
    [
        (True, "auto", "auto", LARGE, "16-mixed"),
        (True, "gpu", "auto", LARGE, "16-mixed"),
        (True, "auto", "auto", SMALL, "32-true"),
        (True, "auto", "bf16-mixed", SMALL, "bf16-mixed"),
        (True, "cpu", "auto", LARGE, "32-true"),
        (True, "auto", "32-true", LARGE, "32-true"),
        (False, "auto", "auto", LARGE, "32-true"),
        (False, "auto", "16-mixed", LARGE, "16-mixed"),
    ],
)
def test_auto_needs_a_gpu_and_a_large_network(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, accelerator: str, precision: str, network: nn.Module, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    machine = Trainer.model_validate({"accelerator": accelerator, "precision": precision})
    assert precision_of(machine, network) == expected
