"""A trained classifier of documents: texts in, labels with their probabilities out."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import deadline, models
from anamnesis.data.stores.documents import Documents
from anamnesis.data.tokenizers import tokenizer as tokenizers
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.models import ModelFolder
from anamnesis.tasks.classification.model import tfidf
from anamnesis.tasks.classification.model.documents import TOKENIZER, encode, join
from anamnesis.tasks.classification.settings import Histogram, LanguageModel, Model, Network, TfIdf

# Documents that are classified at once.
BATCH = 256

Arrays = dict[str, NDArray[Any]]
Predict = Callable[[Documents, NDArray[np.int64]], NDArray[np.float32]]
"""The probabilities (rows, labels) of the documents with the given numbers (rows,)."""


class Classifier:
    """Classifies documents.

    Args:
        card: the model's card.
        settings: the experiment's `model` block.
        tokenizer: turns texts into the tokens that the model reads.
        predict: the model.
    """

    def __init__(self, card: dict[str, Any], settings: Model, tokenizer: Tokenizer, predict: Predict) -> None:
        self.card, self.settings, self.tokenizer, self.predict = card, settings, tokenizer, predict

    def probabilities(
        self, documents: Documents, progress: Callable[[int], object] = lambda documents: None
    ) -> NDArray[np.float32]:
        """The probability of each label (documents, labels), in the order of the card's `labels`.

        Args:
            documents: in the tokens of the model, as from `open_split`; their labels are not read.
            progress: called with the number of documents classified since the last call.
        """
        parts = []
        for first in range(0, len(documents), BATCH):
            deadline.check()
            rows = np.arange(first, min(first + BATCH, len(documents)))
            parts.append(self.predict(documents, rows))
            progress(len(rows))
        return np.concatenate(parts)

    def classify(self, texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        """All labels of each text with their probabilities, the most probable first; none for a text without tokens."""
        labels, result = self.card["labels"], [list[tuple[str, float]]() for _ in texts]
        encoded = {}
        for number, text in enumerate(texts):
            deadline.check()
            if len(ids := encode(self.settings, self.tokenizer, text)):
                encoded[number] = ids
        if encoded:
            rows = self.probabilities(join(list(encoded.values()), np.zeros(len(encoded), np.uint8)))
            for number, row in zip(encoded, rows, strict=True):
                result[number] = [(labels[index], float(row[index])) for index in np.argsort(-row, kind="stable")]
        return result


def load(found: ModelFolder) -> Classifier:
    """The classifier of a model folder. A language model's weights are part of it.

    Raises:
        AnamnesisError: the labels, the tokenizer or the arrays are not those of the model that the card describes.
    """
    folder, card, settings = found.folder, found.card, found.experiment.model
    labels = card.get("labels")
    if not isinstance(labels, list) or len(labels) < 2 or not all(isinstance(label, str) for label in labels):
        raise AnamnesisError(f"{folder}: model.json: `labels` is no list of two labels or more")
    if TOKENIZER not in card["files"]:
        raise AnamnesisError(f"{folder}: model.json: `files` has no {TOKENIZER}")
    tokenizer = tokenizers.load(folder / TOKENIZER)
    if settings.token_kind == "words" and tokenizer.kind != "words":
        raise AnamnesisError(f"{folder / TOKENIZER}: found tokens of kind {tokenizer.kind}; allowed: words")
    match settings:
        case TfIdf():
            predict = _load_tfidf(found, settings, tokenizer.vocabulary_size)
        case Histogram():
            predict = _load_histogram(found, settings, tokenizer.vocabulary_size)
        case LanguageModel():
            predict = _load_language_model(found, settings, tokenizer.vocabulary_size)
        case _:
            predict = _load_network(found, settings, tokenizer)
    return Classifier(card, settings, tokenizer, predict)


def _load_tfidf(found: ModelFolder, settings: TfIdf, vocabulary: int) -> Predict:
    _check(found, tfidf.shapes(vocabulary, len(found.card["labels"])), found.weights)
    return lambda documents, rows: tfidf.probabilities(found.weights, settings, [documents[row] for row in rows])


def _load_network(found: ModelFolder, settings: Network, tokenizer: Tokenizer) -> Predict:
    import torch

    from anamnesis.tasks.classification.model.batches import input_vocabulary, word_batch
    from anamnesis.tasks.classification.model.network import DocumentNetwork

    size, labels = input_vocabulary(settings, tokenizer), len(found.card["labels"])
    network = models.load_network(
        found.folder, lambda: DocumentNetwork(settings, size, labels), found.weights, found.device
    )

    def predict(documents: Documents, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            ids, lengths = word_batch(documents, rows, settings, tokenizer.vocabulary_size)
            return network(ids.to(found.device), lengths).softmax(-1).cpu().numpy()

    return predict


def _load_histogram(found: ModelFolder, settings: Histogram, vocabulary: int) -> Predict:
    from anamnesis.tasks.classification.model.features import frequencies

    head = _load_head(found, settings, found.weights, vocabulary)
    return lambda documents, rows: head(frequencies(documents, rows, vocabulary))


def _load_language_model(found: ModelFolder, settings: LanguageModel, vocabulary: int) -> Predict:
    from anamnesis.tasks.classification.model.encoder import new_encoder, summaries, summary_size

    block, (weights, others) = found.card.get("encoder"), _part(found.weights, "encoder.")
    encoder = models.load_network(
        found.folder, lambda: new_encoder(found.folder, block, vocabulary), weights, found.device
    )
    head = _load_head(found, settings, others, summary_size(settings, encoder))
    return lambda documents, rows: head(summaries(settings, encoder, documents, rows))


def _load_head(
    found: ModelFolder, settings: Histogram | LanguageModel, weights: Arrays, size: int
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A function: probabilities (rows, labels) from features (rows, size).

    Args:
        weights: of the head, `head.…`, and the `mean` and `scale` of the features.
    """
    import torch

    from anamnesis.tasks.classification.model.features import Head

    labels, (own, others) = len(found.card["labels"]), _part(weights, "head.")
    _check(found, {"mean": (size,), "scale": (size,)}, others)
    head = models.load_network(
        found.folder, lambda: Head(settings, others["mean"], others["scale"], labels), own, found.device
    )

    def probabilities(features: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return head(torch.from_numpy(features).to(found.device)).softmax(-1).cpu().numpy()

    return probabilities


def _part(weights: Arrays, prefix: str) -> tuple[Arrays, Arrays]:
    """The arrays whose names begin with the prefix, without it; and the others."""
    part = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    return part, {name: value for name, value in weights.items() if not name.startswith(prefix)}


def _check(found: ModelFolder, shapes: dict[str, tuple[int, ...]], weights: Arrays) -> None:
    """Raises an AnamnesisError unless the weights are float32 arrays of these shapes."""
    expected = {name: (shape, "float32") for name, shape in shapes.items()}
    if {name: (value.shape, str(value.dtype)) for name, value in weights.items()} != expected:
        raise AnamnesisError(f"{found.folder}: the weights are not those of the model that model.json describes")
