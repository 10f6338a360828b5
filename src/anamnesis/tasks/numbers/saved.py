"""The model folder of a regression on word numbers: `words`, the ids of words by number, and network or mean."""

from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from anamnesis import models as saved
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.numbers.network import ConnectedModel, MeanModel, NumberModel, new_network
from anamnesis.tasks.numbers.settings import Mean, Model

TOKENIZER = "tokenizer.json"


def load(folder: Path) -> NumberModel:
    """Read a model, after checking every file against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or the arrays do not fit the card; the line names it.
    """
    from anamnesis.data.tokenizers import tokenizer

    card, weights = saved.read(folder)
    try:
        settings: Model = TypeAdapter(Model).validate_python(card.get("model"))
    except ValidationError:
        raise AnamnesisError(f"{folder}: not a model of word numbers") from None
    vocabulary = tokenizer.load(folder / TOKENIZER)
    words = weights.pop("words", np.empty(0))
    sound = words.dtype == np.int64 and words.ndim == 1 and len(words) > 0
    if not sound or words.min() < 0 or words.max() >= vocabulary.vocabulary_size:
        raise AnamnesisError(f"{folder}: `words` of the weights does not number the tokenizer's words")
    shapes = {name: value.shape for name, value in weights.items()}
    if isinstance(settings, Mean):
        if shapes != {"mean": (1,)}:
            raise AnamnesisError(f"{folder}: the weights are not one mean")
        return MeanModel(card, vocabulary, words, float(weights["mean"][0]))
    network = saved.network(folder, lambda: new_network(settings), weights)
    return ConnectedModel(card, vocabulary, words, network)
