"""The number of tokens of context that a network uses: its perplexity when it reads only the last k tokens.

The same targets are predicted twice: with the state carried from the first token of the split, and from the initial
state after only the k tokens before the target. Perplexity falls as k grows. The smallest k whose perplexity is within
`TOLERANCE` of that with the carried state is the number of tokens that the model uses (Khandelwal et al. 2018, "Sharp
nearby, fuzzy far away", section 3).
"""

from math import exp, fsum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anamnesis.tasks.language.model.language_model import LanguageModel

TARGETS = 1000
# With fewer targets there is no result.
FEWEST = 100
TOLERANCE = 0.02
# k doubles up to USUAL, and up to LONGEST while the model still gains from more tokens.
USUAL, LONGEST = 64, 256
ROWS = 250
SEED = 0


class Context(NamedTuple):
    """Perplexity by the number of tokens read before a target.

    Attributes:
        tokens: k = 1, 2, 4, ...
        perplexities: one for each k.
        full: perplexity on the same targets with the carried state.
    """

    tokens: list[int]
    perplexities: list[float]
    full: float

    @property
    def span(self) -> int | None:
        """The smallest k from which on perplexity is within `TOLERANCE` of `full`; None: there is none."""
        span = None
        for k, perplexity in zip(reversed(self.tokens), reversed(self.perplexities), strict=True):
            if perplexity > (1 + TOLERANCE) * self.full:
                break
            span = k
        return span


def measure_context(
    model: LanguageModel, ids: NDArray[np.integer], log_probabilities: NDArray[np.floating]
) -> Context | None:
    """The context that a network uses on a split; None where the split is too short.

    The targets are drawn at random, the same ones for every model of a token store; `<s>` is no target.

    Args:
        ids: the split (tokens,).
        log_probabilities: ln p of ids[1:] with the carried state (tokens - 1,).
    """
    longest = min(USUAL, (len(ids) - 1) // 2)
    places = np.arange(LONGEST if len(ids) > 4 * LONGEST else longest, len(ids))
    if model.tokenizer.start_id is not None:
        places = places[ids[places] != model.tokenizer.start_id]
    if longest < 1 or len(places) < FEWEST:
        return None
    if len(places) > TARGETS:
        places = np.sort(np.random.default_rng(SEED).choice(places, TARGETS, replace=False))
    context = Context([], [], _perplexity(log_probabilities[places - 1]))
    k = 1
    while k <= longest or (k <= min(LONGEST, int(places[0])) and context.span is None):
        context.tokens.append(k)
        context.perplexities.append(_perplexity(_read_last(model, ids, places, k)))
        k *= 2
    return context


def csv_rows(split: str, context: Context) -> list[tuple[str, str, str]]:
    """Rows of context.csv: split, tokens, perplexity; the last row, with empty tokens, has the carried state."""
    rows = [(str(k), perplexity) for k, perplexity in zip(context.tokens, context.perplexities, strict=True)]
    return [(split, k, f"{perplexity:.6g}") for k, perplexity in [*rows, ("", context.full)]]


def _read_last(
    model: LanguageModel, ids: NDArray[np.integer], places: NDArray[np.int64], k: int
) -> NDArray[np.float64]:
    """ln p of ids[places] (places,) given the k tokens before each, from the initial state."""
    parts = []
    for first in range(0, len(places), ROWS):
        part = places[first : first + ROWS, None]
        windows = ids[part + np.arange(-k, 0)].astype(np.int64)
        state = model.initial_state(len(windows))
        if k > 1:
            state = model.read(windows[:, :-1], state)
        scores, _ = model.score_targets(windows[:, -1:], ids[part].astype(np.int64), state)
        parts.append(scores.log_probabilities[:, 0])
    return np.concatenate(parts)


def _perplexity(log_probabilities: NDArray[np.floating]) -> float:
    return exp(-fsum(log_probabilities.tolist()) / len(log_probabilities))
