"""A trained classifier of documents: texts in, labels with their probabilities out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import deadline
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.classification import tfidf
from anamnesis.tasks.classification.settings import Experiment, TfIdf

if TYPE_CHECKING:
    from anamnesis.tasks.classification.network import DocumentNetwork

Progress = Callable[[int], object]
# Documents that a network reads at once.
AT_ONCE = 256


class Classifier(ABC):
    """Tells the label of documents.

    Args:
        card: the model's card, model.json, with `labels`.
        tokenizer: the one its training documents were cut with.
    """

    def __init__(self, card: dict[str, Any], tokenizer: Tokenizer) -> None:
        self.card, self.tokenizer = card, tokenizer

    @abstractmethod
    def of_ids(
        self, documents: Sequence[NDArray[Any]], progress: Progress = lambda documents: None
    ) -> NDArray[np.float32]:
        """The probability of each label, (documents, labels), in the order of the card's `labels`.

        Args:
            documents: ids of the words of each, (its tokens,), at least one.
            progress: called with the number of documents read since the last call.
        """

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `of_ids`, of texts.

        Raises:
            AnamnesisError: a text has nothing in it that the tokenizer makes a word of.
        """
        documents = [self.tokenizer.encode_document(text).ids for text in texts]
        for number, ids in enumerate(documents, start=1):
            if not len(ids):
                raise AnamnesisError(f"text {number}: there is no word in it")
        return self.of_ids(documents)

    def classify(self, texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        """For each text all labels with their probabilities, the likeliest first. Raises as `probabilities` does."""
        return self.ranked(self.probabilities(texts))

    def ranked(self, rows: NDArray[np.float32]) -> list[list[tuple[str, float]]]:
        """For each row of probabilities (documents, labels) all labels with theirs, the likeliest first."""
        labels = self.card["labels"]
        return [[(labels[index], float(row[index])) for index in np.argsort(-row, kind="stable")] for row in rows]


class WordsClassifier(Classifier):
    """The floor, `tfidf`."""

    def __init__(self, card: dict[str, Any], tokenizer: Tokenizer, settings: TfIdf, weights: tfidf.Weights) -> None:
        super().__init__(card, tokenizer)
        self.settings, self.weights = settings, weights

    def of_ids(
        self, documents: Sequence[NDArray[Any]], progress: Progress = lambda documents: None
    ) -> NDArray[np.float32]:
        found = tfidf.probabilities(self.weights, self.settings, documents)
        progress(len(documents))
        return found


class NetworkClassifier(Classifier):
    """A network that reads the first words of a document; in evaluation mode."""

    def __init__(
        self, card: dict[str, Any], tokenizer: Tokenizer, experiment: Experiment, network: "DocumentNetwork"
    ) -> None:
        super().__init__(card, tokenizer)
        self.experiment, self.network = experiment, network

    def of_ids(
        self, documents: Sequence[NDArray[Any]], progress: Progress = lambda documents: None
    ) -> NDArray[np.float32]:
        import torch

        from anamnesis.tasks.classification.reading import Reading, joined

        found = np.empty((len(documents), len(self.card["labels"])), np.float32)
        for start in range(0, len(documents), AT_ONCE):
            deadline.check()
            some = documents[start : start + AT_ONCE]
            reading = Reading(*joined(some), self.experiment, self.tokenizer.vocabulary_size)
            with torch.inference_mode():
                logits = self.network(reading.pick(torch.arange(len(reading))))
                found[start : start + len(some)] = logits.softmax(-1).numpy()
            progress(len(some))
        return found
