"""The model that tells a passage's label: the language model that reads it, and the small network on top."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.tasks.language.network import RecurrentPredictor
from anamnesis.tasks.language.states import states
from anamnesis.tasks.passages.features import frequencies, normalised
from anamnesis.tasks.passages.settings import Histogram, Model, States


def new_head(settings: Model, features: int, labels: int) -> nn.Sequential:
    """The network on top, (batch, features) -> logits (batch, labels): linear, or with one hidden layer."""
    if isinstance(settings, Histogram):
        return nn.Sequential(nn.Linear(features, labels))
    return nn.Sequential(
        nn.Dropout(settings.dropout),
        nn.Linear(features, settings.hidden),
        nn.ReLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(settings.hidden, labels),
    )


class Classifier:
    """Tells the label of passages.

    Args:
        card: the model's card, model.json, with `labels`.
        settings: the experiment's `model` block.
        tokenizer: of the language model, or, where there is none, of the passages.
        reader: the language model, in evaluation mode; None: frequencies of tokens are read.
        head: as `new_head` makes it, in evaluation mode.
        mean, scale: what the features are standardised with (features,).
    """

    def __init__(
        self,
        card: dict[str, Any],
        settings: Model,
        tokenizer: Tokenizer,
        reader: RecurrentPredictor | None,
        head: nn.Module,
        mean: NDArray[np.float32],
        scale: NDArray[np.float32],
    ) -> None:
        self.card, self.settings, self.tokenizer = card, settings, tokenizer
        self.reader, self.head, self.mean, self.scale = reader, head, mean, scale

    def probabilities(
        self, texts: Sequence[str], progress: Callable[[int], object] = lambda texts: None
    ) -> NDArray[np.float32]:
        """The probability of each label (texts, labels), in the order of the card's `labels`.

        Args:
            texts: any white space in them counts as one space.
            progress: called with the number of texts read since the last call.

        Raises:
            AnamnesisError: a text holds nothing but white space.
        """
        found = features(self.settings, self.tokenizer, self.reader, [normalised(text) for text in texts], progress)
        with torch.inference_mode():
            logits = self.head(torch.from_numpy((found - self.mean) / self.scale))
            result: NDArray[np.float32] = logits.softmax(-1).numpy()
        return result

    def classify(self, texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        """For each text all labels with their probabilities, the likeliest first. Raises as `probabilities` does."""
        labels, rows = self.card["labels"], self.probabilities(texts)
        return [[(labels[index], float(row[index])) for index in np.argsort(-row, kind="stable")] for row in rows]


def features(
    settings: Model,
    tokenizer: Tokenizer,
    reader: RecurrentPredictor | None,
    texts: Sequence[str],
    progress: Callable[[int], object] = lambda texts: None,
) -> NDArray[np.float32]:
    """What the head reads of normalised texts, before it is standardised: (texts, features)."""
    if reader is None or not isinstance(settings, States):
        progress(len(texts))
        return frequencies(tokenizer, texts)
    found = states(reader, [text[: settings.longest] for text in texts], progress=progress)
    outputs = reader.network.stack.outputs
    return found[:, {"mean": slice(outputs), "last": slice(outputs, None), "both": slice(None)}[settings.summary]]
