"""The folder of a classifier of documents: see `training.saved`; beside weights and card there is its tokenizer."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from anamnesis import models as saved
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.classification import tfidf
from anamnesis.tasks.classification.classifier import Classifier, NetworkClassifier, WordsClassifier
from anamnesis.tasks.classification.settings import Experiment, TfIdf

TOKENIZER = "tokenizer.json"


def load(folder: Path) -> Classifier:
    """Read a classifier, after checking every file against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or the arrays do not fit the card; the line names it.
    """
    from anamnesis.data.tokenizers import tokenizer

    card, weights = saved.read(folder)
    try:
        experiment = Experiment.model_validate({key: card.get(key) for key in Experiment.model_fields})
    except ValidationError:
        raise AnamnesisError(f"{folder}: not a model that tells labels of documents") from None
    labels = card.get("labels")
    if not isinstance(labels, list) or len(labels) < 2 or not all(isinstance(label, str) for label in labels):
        raise AnamnesisError(f"{folder}: model.json: `labels` is no list of two labels or more")
    if TOKENIZER not in card["files"]:
        raise AnamnesisError(f"{folder}: model.json: `files` has no {TOKENIZER}")
    words = tokenizer.load(folder / TOKENIZER)
    if words.kind != "words":
        raise AnamnesisError(f"{folder / TOKENIZER}: found tokens of kind {words.kind}; allowed: words")
    settings = experiment.model
    if isinstance(settings, TfIdf):
        expected = {
            name: (shape, "float32") for name, shape in tfidf.shapes(words.vocabulary_size, len(labels)).items()
        }
        if {name: (value.shape, str(value.dtype)) for name, value in weights.items()} != expected:
            raise AnamnesisError(f"{folder}: the weights are not those of the regression that model.json describes")
        return WordsClassifier(card, words, settings, weights)
    from anamnesis.tasks.classification.network import DocumentNetwork
    from anamnesis.tasks.classification.reading import vocabulary

    size = vocabulary(words, experiment)
    network = saved.network(folder, lambda: DocumentNetwork(settings, size, len(labels)), weights)
    return NetworkClassifier(card, words, experiment, network)


def entries(stats: dict[str, Any]) -> dict[str, Any]:
    """What the card says besides: the labels, and what tells whether the model fits a token store.

    Args:
        stats: content of the token store's stats.json.
    """
    return {"labels": stats["labels"], "train_text_sha256": stats["splits"]["train"]["text_sha256"]}
