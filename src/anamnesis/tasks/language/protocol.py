"""What every language model offers, be it counted or trained."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from anamnesis.metrics.targets import TargetScores

if TYPE_CHECKING:
    from anamnesis.data.tokenizers.base import Tokenizer


Step = Callable[[int], NDArray[np.floating]]
"""Reads one token, keeps the state, and returns the log-probabilities (vocabulary,) of the next, up to a constant."""


class NextTokenModel(Protocol):
    """A model of p(next token | all tokens before it) that reads each token once and carries a state.

    `card` is the content of model.json; `tokenizer` is the one of the text it was trained on.
    """

    card: dict[str, Any]
    tokenizer: "Tokenizer"

    def initial_state(self, batch: int = 1) -> Any:
        """The state of `batch` texts of which nothing was read yet."""
        ...

    def predict(self, ids: NDArray[np.int64], state: Any) -> tuple[NDArray[np.floating], Any]:
        """Read `ids` (batch, time) after what `state` has seen.

        Returns:
            Natural logarithms of the probabilities of the token after each id (batch, time, vocabulary), -inf for
            `<s>`, and the state after the last id.
        """
        ...


@runtime_checkable
class Stepper(NextTokenModel, Protocol):
    """A model that reads single tokens of a single text faster than by `predict`."""

    def stepper(self, state: Any) -> Step:
        """Goes on from `state`, of one text, as `predict` left it."""
        ...


@runtime_checkable
class StateReader(NextTokenModel, Protocol):
    """A model whose state may hold all that was read, however long ago, and which reads without saying what follows."""

    def read(self, ids: NDArray[np.int64], state: Any) -> Any:
        """The state after `ids` (batch, time), as `predict` leaves it."""
        ...


@runtime_checkable
class TargetScorer(NextTokenModel, Protocol):
    """A model that judges given targets faster than by its whole distributions."""

    def score_targets(self, ids: NDArray[np.int64], targets: NDArray[np.int64], state: Any) -> tuple[TargetScores, Any]:
        """As `predict`, but only about `targets` (batch, time), of which each follows the id at its place."""
        ...
