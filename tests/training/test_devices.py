"""Two processes that train one network: the same weights as one process, also after both were killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import forks
import numpy as np
import pytest
import toys
from safetensors.numpy import load_file

SCRIPT = Path(__file__).resolve().parents[2] / "pipelines" / "train.py"
# Plain gradient descent: the weights move by the gradient.
EXPERIMENTS: dict[str, Any] = {
    # One batch of 45 pairs, of which the processes take 23 and 22, with unequal numbers of words.
    "pairs": {
        "task": "translation",
        "tokens": "pairs",
        "model": {"architecture": "attention", "cell": "gru", "hidden": 8, "label_smoothing": 0.1},
        "batch": 10_000,
        "training": {"epochs": 1, "optimizer": "sgd", "learning_rate": 1.0, "clip_norm": None},
    },
    # Five streams for two processes, the last with an empty one; their state is carried over many segments.
    "streams": {
        "task": "language",
        "tokens": "characters",
        "model": {"architecture": "lstm", "hidden": 8},
        "batches": {"kind": "streams", "batch": 5, "steps": 20},
        "training": {"epochs": 3, "optimizer": "sgd", "learning_rate": 0.5, "checkpoint_steps": 7},
        "sampling": {"length": 10},
    },
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with each of EXPERIMENTS for one process, NAME-1, and for two, NAME-2."""
    root = tmp_path_factory.mktemp("devices")
    toys.write_stores(root)
    experiments = {
        f"{name}-{count}": {**content, "trainer": {"devices": count}}
        for name, content in EXPERIMENTS.items()
        for count in (1, 2)
    }
    batch_norm = {**EXPERIMENTS["streams"]["model"], "norm": "batch"}
    experiments["batch-norm"] = {**experiments["streams-2"], "model": batch_norm}
    toys.write_params(root, experiments)
    return root


def run(root: Path, name: str) -> "subprocess.CompletedProcess[str]":
    """The train stage, in a fork; Lightning starts the second process of two."""
    code = "import runpy, sys; runpy.run_path(sys.argv[0], run_name='__main__')"
    environment = {**os.environ, "ANAMNESIS_TRACKING": "off"}
    (done,) = forks.run(code, str(SCRIPT), name, folder=root, environment=environment)
    return done


def train(root: Path, name: str) -> str:
    done = run(root, name)
    assert done.returncode == 0, done.stderr
    return done.stdout


def compare(root: Path, name: str) -> dict[str, np.ndarray]:
    """Assert that two processes learned the same weights as one; return these weights."""
    folders = [root / "models" / f"{name}-{count}" for count in (1, 2)]
    alone, together = (load_file(folder / "weights.safetensors") for folder in folders)
    assert alone.keys() == together.keys()
    for key, value in alone.items():
        np.testing.assert_allclose(together[key], value, rtol=0, atol=1e-6, err_msg=key)
    one, two = (np.loadtxt(folder / "history.csv", delimiter=",", skiprows=1, ndmin=2) for folder in folders)
    # History has six digits.
    np.testing.assert_allclose(two, one, rtol=2e-6)
    return alone


def test_a_step_follows_the_gradient_of_the_whole_batch(root: Path) -> None:
    for name in ("pairs-1", "pairs-2"):
        # Only the first process prints.
        assert train(root, name).count("after epoch 1 of 1") == 1
    weights = compare(root, "pairs")
    assert max(float(np.abs(value).max()) for value in weights.values()) > 0.01


def test_killed_and_resumed_with_the_state_of_every_stream(root: Path) -> None:
    train(root, "streams-1")
    process = subprocess.Popen(
        [sys.executable, "-P", str(SCRIPT), "streams-2"],
        cwd=root,
        env={**os.environ, "ANAMNESIS_TRACKING": "off"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    checkpoints = root / ".anamnesis" / "checkpoints" / "streams-2"
    while not list(checkpoints.glob("*.ckpt")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (root / "models" / "streams-2").exists()
    train(root, "streams-2")
    compare(root, "streams")


def test_batch_normalisation_needs_one_process(root: Path) -> None:
    done = run(root, "batch-norm")
    assert done.returncode == 1
    assert done.stderr.count("batch-norm: trainer.devices: found 2 processes") == 1
    assert "Traceback" not in done.stderr
