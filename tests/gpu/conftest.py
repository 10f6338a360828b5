"""The toys on a device: `cuda` is skipped where there is none, and `cpu` shows that a test itself is right."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# cuBLAS reads it when it is loaded, for reproducible matrix products.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import pytest
import torch
import toys


def settings(name: str, device: str, precision: str = "32-true", **training: Any) -> Any:
    """The settings of a toy for one epoch on `device`."""
    trainer = {"accelerator": "gpu" if device == "cuda" else "cpu", "precision": precision}
    training = {"epochs": 1, "learning_rate": 0.001, "checkpoint_steps": 100, **training}
    return toys.settings(name, training=training, trainer=trainer)


# One network of each task: enough to show on a CPU that a test itself is right.
SHOWN = list({task: name for name, task in toys.TASKS.items() if name in toys.NETWORKS}.values())


@pytest.fixture
def network(request: pytest.FixtureRequest, device: str) -> str:
    """The name of a toy with a network; not every one on the CPU."""
    if device == "cpu" and request.param not in SHOWN:
        pytest.skip("on a CPU, one network of each task is enough")
    return str(request.param)


@pytest.fixture(autouse=True)
def _restore_settings() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    # The trainer sets it for the whole process.
    torch.use_deterministic_algorithms(False)


@pytest.fixture(
    params=["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]
)
def device(request: pytest.FixtureRequest) -> str:
    """Where the test computes: cpu, and cuda where there is one."""
    return str(request.param)


@pytest.fixture(scope="session")
def toy_models(tmp_path_factory: pytest.TempPathFactory) -> toys.Toys:
    return toys.Toys(tmp_path_factory.mktemp("toys"))


@pytest.fixture
def project(toy_models: toys.Toys, tmp_path: Path) -> Callable[..., Path]:
    """project(TOY, FOLDER): a fresh project folder for the toy."""

    def make(name: str, folder: str = "project") -> Path:
        return toy_models.project(name, tmp_path / folder)

    return make
