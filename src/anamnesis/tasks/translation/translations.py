"""What every translator gives for a sentence, be it a network or a floor."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Translation:
    """One translation of a sentence.

    Attributes:
        score: log-probability / length ** length_penalty; None where nothing is modelled.
        tokens: what the translation is made of, as it can be shown; the end is one of them.
        ids: of a network's target language, without the end.
        attention: the weight of each source token for each token (tokens, source tokens); None without attention.
    """

    text: str
    score: float | None
    tokens: list[str]
    ids: list[int] = field(default_factory=list)
    attention: NDArray[np.floating] | None = None


class Translator(Protocol):
    """A model that translates sentences; `card` is its card."""

    @property
    def card(self) -> dict[str, Any]: ...

    def translate(self, texts: list[str], beam: int, n_best: int = 1) -> list[list[Translation]]:
        """The best translations of each text, best first: at most `n_best`, found with a beam of this width."""
        ...
