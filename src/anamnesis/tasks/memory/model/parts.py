"""Finished networks of an unfinished training, stored on disk so that none is trained twice."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
from safetensors import torch as safetensors_torch
from torch import Tensor

from anamnesis import files

# A file of the model: how often the gradient of each network was clipped.
CLIPPING = "clipping.csv"

Part = tuple[dict[str, Tensor], dict[str, Any]]
"""Weights by name, and other results as JSON stores them."""


def load_or_train(path: Path, train: Callable[[], Part]) -> Part:
    """The part that the file `path` holds; where there is no such file or it is damaged, `train` it and store it."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["part"])
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError):
        pass
    weights, results = train()
    contiguous = {name: value.detach().clone().contiguous() for name, value in weights.items()}
    files.write_bytes(path, safetensors_torch.save(contiguous, {"part": json.dumps(results)}))
    return contiguous, results
