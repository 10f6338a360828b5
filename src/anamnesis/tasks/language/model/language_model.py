"""The methods that every language model has, whether it counts n-grams or is a network."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anamnesis.metrics.targets import TargetScores, from_distributions

if TYPE_CHECKING:
    from anamnesis.data.tokenizers.base import Tokenizer

Step = Callable[[int], NDArray[np.floating]]
"""Reads one token and returns the log-probabilities (vocabulary,) of the next token, up to a constant."""


class LanguageModel(ABC):
    """A model of p(next token | all tokens before it), which reads each token once and carries a state.

    Attributes:
        card: content of model.json.
        tokenizer: the tokenizer of the training text.
        recurrent: whether the state is the hidden state of a network, which can hold any token read before.
        needs_distributions: whether `score_targets` computes distributions over the whole vocabulary.
        room: how many log-probabilities may be in memory at once.
    """

    card: dict[str, Any]
    tokenizer: "Tokenizer"
    recurrent: ClassVar[bool] = False
    needs_distributions: ClassVar[bool] = True
    room: int = 2**21

    @abstractmethod
    def initial_state(self, batch: int = 1) -> Any:
        """The state of `batch` texts before their first tokens."""

    @abstractmethod
    def predict(self, ids: NDArray[np.int64], state: Any) -> tuple[NDArray[np.floating], Any]:
        """Distributions over the token after each of `ids`.

        Args:
            ids: (batch, time).
            state: of the tokens before `ids`.

        Returns:
            Natural logarithms of probabilities (batch, time, vocabulary), -inf for `<s>`; and the state after `ids`.
        """

    def score_targets(self, ids: NDArray[np.int64], targets: NDArray[np.int64], state: Any) -> tuple[TargetScores, Any]:
        """Scores of `targets` (batch, time), each of which follows the id at its place; and the state after `ids`."""
        distributions, state = self.predict(ids, state)
        return from_distributions(distributions, targets), state

    def read(self, ids: NDArray[np.int64], state: Any) -> Any:
        """The state after `ids` (batch, time)."""
        return self.predict(ids, state)[1]

    def stepper(self, state: Any) -> Step:
        """A function that reads the tokens of one text one by one, from `state` on."""

        def step(token: int) -> NDArray[np.floating]:
            nonlocal state
            distributions, state = self.predict(np.array([[token]]), state)
            return distributions[0, -1]

        return step
