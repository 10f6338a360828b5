"""The libraries that the fork server imports once, before the first stage.

It imports nothing of this project that computes results, because that code may change while the server runs.
"""

import os
from importlib import import_module

from anamnesis import numerics

# PyTorch and NumPy read these settings when they are imported.
numerics.pin()
# The check for a GPU must not start CUDA here, because a fork could not use it then.
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"

for name in (
    "mlflow",
    "mlflow.store.tracking.sqlalchemy_store",
    "numpy",
    "pandas",
    "pydantic",
    "pytorch_lightning",
    "safetensors",
    "sqlalchemy",
    "torch",
    "yaml",
    "anamnesis.engine.worker",
):
    import_module(name)
