"""The model folder of a cloze model: the words' counts, or the network's weights, beside card and tokenizer."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from anamnesis import models as saved
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.cloze.blanks import candidates
from anamnesis.tasks.cloze.model import ClozeModel, RecurrentModel, UnigramModel
from anamnesis.tasks.cloze.settings import Model, Unigram

TOKENIZER = "tokenizer.json"


def load(folder: Path) -> ClozeModel:
    """Read a model, after checking every file against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or the arrays do not fit the card; the line names it.
    """
    from anamnesis.data.tokenizers import tokenizer

    card, weights = saved.read(folder)
    try:
        if card.get("objective") != "cloze":
            raise ValueError
        settings: Model = TypeAdapter(Model).validate_python(card.get("model"))
    except (ValidationError, ValueError):
        raise AnamnesisError(f"{folder}: not a model that fills blanks") from None
    vocabulary = tokenizer.load(folder / TOKENIZER)
    try:
        hidden = candidates(vocabulary)
    except AnamnesisError as error:
        raise AnamnesisError(f"{folder}: {error}") from None
    if isinstance(settings, Unigram):
        return UnigramModel(card, vocabulary, _counts(folder, weights, hidden))
    from anamnesis.tasks.cloze.network import ClozeNetwork

    network = saved.network(folder, lambda: ClozeNetwork(settings, hidden), weights)
    return RecurrentModel(card, vocabulary, network)


def _counts(folder: Path, weights: dict[str, NDArray[np.generic]], hidden: NDArray[np.bool_]) -> NDArray[np.int64]:
    counts = weights.get("counts", np.empty(0))
    if weights.keys() != {"counts"} or counts.shape != hidden.shape or counts.dtype != np.int64:
        raise AnamnesisError(f"{folder}: the weights are not the counts of the tokenizer's words")
    sound: NDArray[np.int64] = counts.astype(np.int64)
    if sound.min() < 0 or sound[~hidden].any() or not sound.any():
        raise AnamnesisError(f"{folder}: the weights are not counts of words")
    return sound
