"""Two GPUs that train one network, against one: the same weights, and files written once."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import toys
from safetensors.numpy import load_file

SCRIPT = Path(__file__).resolve().parents[2] / "pipelines" / "train.py"


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs; two processes on a CPU: tests/training")
def test_two_gpus_take_the_step_of_one(project: Callable[..., Path]) -> None:
    root = project("translation-attention")
    block, model, _ = toys.NETWORKS["translation-attention"]
    # A step of plain gradient descent: the weights move by the gradient.
    training = {"epochs": 2, "optimizer": "sgd", "learning_rate": 1.0, "clip_norm": None}
    experiment = {**toys.BLOCKS[block], "batch": 10_000, "training": training, "model": {**model, "dropout": 0.0}}
    names = {count: f"on-{count}" for count in (1, 2)}
    trainers = {count: {"trainer": {"accelerator": "gpu", "devices": count}} for count in names}
    toys.write_params(root, {name: experiment | trainers[count] for count, name in names.items()})
    for name in names.values():
        environment = {**os.environ, "ANAMNESIS_TRACKING": "off"}
        command = [sys.executable, "-P", str(SCRIPT), name]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("after epoch") == 1
    alone, together = (load_file(root / "models" / name / "weights.safetensors") for name in names.values())
    for key, value in alone.items():
        # Sums in another order, and cuDNN may round to the 11 bits of TF32.
        np.testing.assert_allclose(together[key], value, rtol=0, atol=1e-3)
    assert max(float(np.abs(value).max()) for value in alone.values()) > 0.1
