"""What every translator offers, a network or a baseline."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol


class Translation(NamedTuple):
    """One translation of a sentence.

    Attributes:
        text: the translation.
        score: log-probability / length ** length_penalty; None for a baseline.
        tokens: its tokens as text to display, the end token `</s>` among them.
        ids: the ids of its tokens without the end token; empty for a baseline.
    """

    text: str
    score: float | None
    tokens: list[str]
    ids: list[int]


class Translator(Protocol):
    """A model that translates sentences."""

    @property
    def card(self) -> dict[str, Any]:
        """The model's card."""
        ...

    def translate(
        self, texts: list[str], beam: int, n_best: int = 1, progress: Callable[[int], object] = lambda count: None
    ) -> list[list[Translation]]:
        """The best translations of each text, best first.

        Args:
            beam: hypotheses that the search follows; 1 is greedy search. A baseline ignores it.
            n_best: translations of each text, at most `beam`; a baseline gives one.
            progress: called with the number of texts translated since the last call.
        """
        ...
