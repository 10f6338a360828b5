"""The uniform language model: every token that can be predicted is equally probable."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.targets import TargetScores
from anamnesis.tasks.language.model.language_model import LanguageModel


class UniformModel(LanguageModel):
    """p(w) = 1/V for each of the V tokens other than `<s>`; its perplexity is V, and its state is None.

    Raises:
        AnamnesisError: the vocabulary has no token that can be predicted.
    """

    needs_distributions: ClassVar[bool] = False

    def __init__(self, card: dict[str, Any], tokenizer: Tokenizer) -> None:
        self.card, self.tokenizer = card, tokenizer
        self.predictable = tokenizer.vocabulary_size - (tokenizer.start_id is not None)
        if self.predictable < 1:
            raise AnamnesisError("the vocabulary has no token that a model could predict")
        self._row = np.full(tokenizer.vocabulary_size, -np.log(self.predictable))
        if tokenizer.start_id is not None:
            self._row[tokenizer.start_id] = -np.inf

    def initial_state(self, batch: int = 1) -> None:
        return None

    def predict(self, ids: NDArray[np.int64], state: None) -> tuple[NDArray[np.float64], None]:
        """See `LanguageModel.predict`; the distributions are a read-only view."""
        return np.broadcast_to(self._row, (*ids.shape, len(self._row))), None

    def score_targets(
        self, ids: NDArray[np.int64], targets: NDArray[np.int64], state: None
    ) -> tuple[TargetScores, None]:
        top1 = np.full(targets.shape, 1 / self.predictable)
        top5 = np.full(targets.shape, min(5, self.predictable) / self.predictable)
        return TargetScores(self._row[targets], top1, top5), None
