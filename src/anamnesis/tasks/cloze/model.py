"""What fills a blank: words by their frequency, or a trained network, behind one interface."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anamnesis.data.tokenizers.base import Tokenizer
    from anamnesis.tasks.cloze.network import ClozeNetwork


class ClozeModel(Protocol):
    """A model of p(word at a place | the other words of its sentence, or those before it).

    `card` is the content of model.json; `tokenizer` is the one of the text it was trained on.
    """

    card: dict[str, Any]
    tokenizer: "Tokenizer"

    def predict(self, sentence: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
        """What may stand at each of some places of a sentence, each place taken as its only blank.

        Args:
            sentence: ids (tokens,), from `<s>` to `</s>`.
            places: (blanks,), each from 1 to tokens - 2; what stands there is not looked at for its own prediction.

        Returns:
            Natural logarithms of probabilities (blanks, vocabulary); -inf for `<unk>`, `<s>`, `</s>` and marks.
        """
        ...


class UnigramModel:
    """Always the words' frequencies in the training split.

    Args:
        counts: how often each token stood at a place that can be a blank (vocabulary,).
    """

    def __init__(self, card: dict[str, Any], tokenizer: "Tokenizer", counts: NDArray[np.int64]) -> None:
        self.card, self.tokenizer = card, tokenizer
        with np.errstate(divide="ignore"):
            self.log_probabilities = np.log(counts / counts.sum())

    def predict(self, sentence: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `ClozeModel.predict`."""
        return np.broadcast_to(self.log_probabilities, (len(places), len(self.log_probabilities)))


class RecurrentModel:
    """A trained network, in evaluation mode."""

    def __init__(self, card: dict[str, Any], tokenizer: "Tokenizer", network: "ClozeNetwork") -> None:
        self.card, self.tokenizer, self.network = card, tokenizer, network

    def predict(self, sentence: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `ClozeModel.predict`."""
        import torch

        from anamnesis.tasks.cloze.batches import Batch, collate

        batch = Batch(*(part.to(self.network.answers.device) for part in collate([sentence], [places])))
        with torch.inference_mode():
            found = self.network.log_probabilities(self.network(batch)).cpu().double().numpy()
        log_probabilities = np.full((len(places), len(self.network.numbers)), -np.inf)
        log_probabilities[:, self.network.answers.cpu().numpy()] = found
        return log_probabilities
