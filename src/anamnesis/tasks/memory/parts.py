"""Finished parts of an unfinished training, kept on disk so that no part runs twice."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
from safetensors import torch as safetensors_torch
from torch import Tensor

from anamnesis import files

Part = tuple[dict[str, Tensor], dict[str, Any]]
"""Named tensors, and what else came out of it, as JSON has it."""


def kept(path: Path, make: Callable[[], Part]) -> Part:
    """The part in the file `path`; made and stored first when it is not there, or not whole."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["part"])  # noqa: SIM118
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError):
        pass
    tensors, facts = make()
    contiguous = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    files.write_bytes(path, safetensors_torch.save(contiguous, {"part": json.dumps(facts)}))
    return contiguous, facts
