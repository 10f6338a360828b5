"""A trained forecaster from its model folder.

`mean` and `scale`, arrays of one number, stand beside the weights; the baselines `last` and `average` need nothing.
Models of word numbers also have `words`, the tokens of the words by number.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import models
from anamnesis.data.tokenizers import tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.models import ModelFolder
from anamnesis.tasks.forecasting.model import forecaster
from anamnesis.tasks.forecasting.model.examples import Values
from anamnesis.tasks.forecasting.model.forecaster import Forecaster
from anamnesis.tasks.forecasting.model.numbering import Words
from anamnesis.tasks.forecasting.model.words import TOKENIZER
from anamnesis.tasks.forecasting.settings import AutoRegression, Average, Last, Mean, Network

# The values of a model that does not standardise.
STANDARD = {"mean": 0.0, "scale": 1.0}


def load(found: ModelFolder) -> Forecaster:
    """The forecaster of a model folder.

    Raises:
        AnamnesisError: the arrays are not those of the model that the card describes.
    """
    settings, weights = found.experiment.model, dict(found.weights)
    words = _words(found, weights.pop("words", np.empty(0))) if found.experiment.series == "words" else None
    sizes = {} if isinstance(settings, Last | Average) else {"mean": 1, "scale": 1}
    if isinstance(settings, AutoRegression):
        sizes |= {"coefficients": settings.window, "intercept": 1}
    arrays = {name: weights.pop(name, np.empty(0)) for name in sizes}
    sound = all(_holds_numbers(value, sizes[name]) for name, value in arrays.items())
    mean, scale = (float(arrays[name][0]) if sound and sizes else usual for name, usual in STANDARD.items())
    if not sound or not scale > 0 or (weights and not isinstance(settings, Network)):
        raise AnamnesisError(f"{found.folder}: the weights are not those of the model that model.json describes")
    step: Callable[[Values], Values]
    match settings:
        case Last():
            step = forecaster.last
        case Average():
            step = forecaster.average
        case Mean():
            step = forecaster.zero
        case AutoRegression():
            step = forecaster.linear(arrays["coefficients"], float(arrays["intercept"][0]))
        case _:
            from anamnesis.tasks.forecasting.model.network import new_network

            network = models.load_network(found.folder, lambda: new_network(settings), weights, found.device)
            step = forecaster.neural(network)
    return Forecaster(found.card, settings.window, step, mean, scale, words)


def _words(found: ModelFolder, ids: NDArray[Any]) -> Words:
    vocabulary = tokenizer.load(found.folder / TOKENIZER)
    sound = ids.dtype == np.int64 and ids.ndim == 1 and len(ids) > 0
    if not sound or ids.min() < 0 or ids.max() >= vocabulary.vocabulary_size:
        raise AnamnesisError(f"{found.folder}: `words` of the weights does not number the tokenizer's words")
    return Words(vocabulary, ids)


def _holds_numbers(value: NDArray[Any], size: int) -> bool:
    """Whether an array holds `size` finite numbers in a row."""
    return value.shape == (size,) and value.dtype == np.float64 and bool(np.isfinite(value).all())
