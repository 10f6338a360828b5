"""A trained cloze model, ready to use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import models
from anamnesis.data.tokenizers import tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.models import ModelFolder
from anamnesis.tasks.cloze.model.blanks import TOKENIZER, find_candidates
from anamnesis.tasks.cloze.model.cloze_model import ClozeModel, in_batches, neural, unigram
from anamnesis.tasks.cloze.settings import Unigram


def load(content: ModelFolder) -> ClozeModel:
    """The cloze model of a model folder, in evaluation mode.

    Raises:
        AnamnesisError: the tokenizer is damaged, or the arrays are not those of the model that the card describes.
    """
    folder, settings = content.folder, content.experiment.model
    vocabulary = tokenizer.load(folder / TOKENIZER)
    try:
        candidates = find_candidates(vocabulary)
    except AnamnesisError as error:
        raise AnamnesisError(f"{folder}: {error}") from None
    if isinstance(settings, Unigram):
        return ClozeModel(content.card, vocabulary, candidates, unigram(_counts(folder, content.weights, candidates)))
    from anamnesis.tasks.cloze.model.network import ClozeNetwork

    network = models.load_network(folder, lambda: ClozeNetwork(settings, candidates), content.weights, content.device)
    # On a CPU, a batch gains nothing.
    score = None if content.device == "cpu" else in_batches(network)
    return ClozeModel(content.card, vocabulary, candidates, neural(network), score)


def _counts(folder: Path, weights: Mapping[str, NDArray[Any]], candidates: NDArray[np.bool_]) -> NDArray[np.int64]:
    counts = weights.get("counts", np.empty(0))
    if weights.keys() != {"counts"} or counts.shape != candidates.shape or counts.dtype != np.int64:
        raise AnamnesisError(f"{folder}: the weights are not the counts of the tokenizer's words")
    if counts.min() < 0 or counts[~candidates].any() or not counts.any():
        raise AnamnesisError(f"{folder}: the weights are not counts of words")
    return counts
