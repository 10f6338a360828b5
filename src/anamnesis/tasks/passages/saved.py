"""The folder of a passage classifier: the language model, `reader/...`, and the network on top, `head/...`.

Nothing else is needed to use it: the folder of the experiment it started from may be gone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from anamnesis import models as saved
from anamnesis.data.tokenizers import tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.network import load_recurrent
from anamnesis.tasks.passages.classifier import Classifier, new_head
from anamnesis.tasks.passages.settings import Model, States

TOKENIZER = "tokenizer.json"


def load(folder: Path) -> Classifier:
    """Read a classifier, after checking every file against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or the arrays do not fit the card; the line names it.
    """
    card, weights = saved.read(folder)
    try:
        settings: Model = TypeAdapter(Model).validate_python(card.get("model"))
    except ValidationError:
        raise AnamnesisError(f"{folder}: not a model that tells labels of passages") from None
    labels = card.get("labels")
    if not isinstance(labels, list) or len(labels) < 2 or not all(isinstance(label, str) for label in labels):
        raise AnamnesisError(f"{folder}: model.json: `labels` is no list of two labels or more")
    vocabulary = tokenizer.load(folder / TOKENIZER)
    reader, size = None, vocabulary.vocabulary_size
    if isinstance(settings, States):
        try:
            reader = load_recurrent({"model": card["reader"]}, part(weights, "reader"), vocabulary)
        except (ValidationError, KeyError, AssertionError):
            raise AnamnesisError(f"{folder}: model.json: `reader` is no recurrent language model") from None
        except AnamnesisError as error:
            raise AnamnesisError(f"{folder}: {error}") from None
        size = reader.network.stack.outputs * (2 if settings.summary == "both" else 1)
    beside = {name: value for name, value in weights.items() if not name.startswith(("reader/", "head/"))}
    expected = dict.fromkeys(("mean", "scale"), ((size,), "float32"))
    if {name: (value.shape, str(value.dtype)) for name, value in beside.items()} != expected:
        raise AnamnesisError(f"{folder}: the weights are not those of the network that model.json describes")
    head = saved.network(folder, lambda: new_head(settings, size, len(labels)), part(weights, "head"))
    return Classifier(card, settings, vocabulary, reader, head, weights["mean"], weights["scale"])


def named(prefix: str, weights: Mapping[str, torch.Tensor]) -> dict[str, NDArray[np.float32]]:
    """Weights as arrays under names that begin with 'PREFIX/'."""
    return {f"{prefix}/{name}": value.detach().cpu().numpy() for name, value in weights.items()}


def part(weights: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The inverse of `named`: the arrays of one prefix, without it."""
    found = {name: value for name, value in weights.items() if name.startswith(f"{prefix}/")}
    return {name.removeprefix(f"{prefix}/"): value for name, value in found.items()}
