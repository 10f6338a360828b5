"""The network that regresses a word's number, and the two ways to predict one behind one interface."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anamnesis import deadline
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.numbers.settings import Connected

if TYPE_CHECKING:
    from torch import nn

    from anamnesis.data.tokenizers.base import Tokenizer

SLOPE = 0.1


def new_network(settings: Connected) -> "nn.Sequential":
    """(batch, window) -> (batch, 1): a hidden layer of leaky ReLU (Maas et al. 2013), and one output."""
    from torch import nn

    return nn.Sequential(
        nn.Linear(settings.window, settings.hidden), nn.LeakyReLU(SLOPE), nn.Linear(settings.hidden, 1)
    )


class NumberModel(Protocol):
    """A model of the number of the next word.

    `card` is the content of model.json, `tokenizer` that of the token store, and `words` (words,) the ids of the words
    in the order of their numbers 1, 2, ...
    """

    card: dict[str, Any]
    tokenizer: "Tokenizer"
    words: NDArray[np.int64]

    def predict(self, windows: NDArray[np.int64]) -> NDArray[np.float64]:
        """What follows the numbers of `windows` (batch, window): numbers (batch,), not rounded."""
        ...


class MeanModel:
    """Always the same number."""

    def __init__(self, card: dict[str, Any], tokenizer: "Tokenizer", words: NDArray[np.int64], mean: float) -> None:
        self.card, self.tokenizer, self.words, self.mean = card, tokenizer, words, mean

    def predict(self, windows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The mean for each of `windows` (batch, window): (batch,)."""
        return np.full(len(windows), self.mean)


class ConnectedModel:
    """The trained network; its inputs and output are numbers divided by how many words there are."""

    def __init__(
        self, card: dict[str, Any], tokenizer: "Tokenizer", words: NDArray[np.int64], network: "nn.Module"
    ) -> None:
        self.card, self.tokenizer, self.words, self.network = card, tokenizer, words, network

    def predict(self, windows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `NumberModel.predict`."""
        import torch

        # While it is trained, the network may be on another device.
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            read = torch.from_numpy((windows / len(self.words)).astype(np.float32)).to(device)
            outputs = self.network(read)[:, 0].cpu()
        return outputs.numpy().astype(np.float64) * len(self.words)


def decoded(model: NumberModel, predictions: NDArray[np.floating]) -> NDArray[np.int64]:
    """The numbers of the words that predictions mean: rounded, and moved to the nearest number there is."""
    return np.clip(np.rint(predictions), 1, len(model.words)).astype(np.int64)


def spelled(model: NumberModel, numbers: NDArray[np.int64]) -> str:
    """The words of numbers, a space between two."""
    return " ".join(model.tokenizer.tokens[token] for token in model.words[numbers - 1])


def continued(model: NumberModel, text: str, length: int) -> str:
    """The words that a model writes after those of a text, of which unknown ones are passed over.

    Raises:
        AnamnesisError: the text has fewer known words than the model reads.
    """
    from anamnesis.tasks.numbers.numbering import UNSEEN, numbers

    row = numbers(model.tokenizer.encode_document(text).ids, model.words, model.tokenizer)
    known, window = row[row != UNSEEN], model.card["model"]["window"]
    if len(known) < window:
        raise AnamnesisError(f"found {len(known)} known words; the model reads {window}")
    return spelled(model, written(model, known[-window:], length))


def written(model: NumberModel, start: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """`length` numbers that a model writes after those of `start` (window,), reading its own rounded outputs."""
    row = start.tolist()
    for _ in range(length):
        deadline.check()
        row += decoded(model, model.predict(np.array(row[-len(start) :])[None])).tolist()
    return np.array(row[len(start) :], dtype=np.int64)
