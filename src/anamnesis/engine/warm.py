"""What the fork server imports before the first stage: libraries alone, because the project's own code may change.

The settings that decide the bits of a result are read when PyTorch and NumPy are loaded, so they come first.
"""

import os

from anamnesis import numerics

numerics.pin()
# So that asking for a GPU does not start CUDA here, which no fork could use then.
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"

import mlflow  # noqa: E402
import mlflow.store.tracking.sqlalchemy_store  # noqa: E402
import numpy  # noqa: E402
import pandas  # noqa: E402
import pydantic  # noqa: E402
import pytorch_lightning  # noqa: E402
import safetensors  # noqa: E402
import sqlalchemy  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402

import anamnesis.engine.worker  # noqa: E402

__all__ = [
    "anamnesis",
    "mlflow",
    "numpy",
    "pandas",
    "pydantic",
    "pytorch_lightning",
    "safetensors",
    "sqlalchemy",
    "torch",
    "yaml",
]
