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
        ("bf16", "auto", "auto", LARGE, "bf16-mixed"),
        ("bf16", "gpu", "auto", LARGE, "bf16-mixed"),
        ("older", "auto", "auto", LARGE, "16-mixed"),
        ("bf16", "auto", "auto", SMALL, "32-true"),
        ("bf16", "auto", "bf16-mixed", SMALL, "bf16-mixed"),
        ("bf16", "cpu", "auto", LARGE, "32-true"),
        ("bf16", "auto", "32-true", LARGE, "32-true"),
        ("none", "auto", "auto", LARGE, "32-true"),
        ("none", "auto", "16-mixed", LARGE, "16-mixed"),
    ],
)
def test_auto_needs_a_gpu_and_a_large_network(
    monkeypatch: pytest.MonkeyPatch, gpu: str, accelerator: str, precision: str, network: nn.Module, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu != "none")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: gpu == "bf16")
    machine = Trainer.model_validate({"accelerator": accelerator, "precision": precision})
    assert precision_of(machine, network) == expected
