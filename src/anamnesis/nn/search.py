"""Greedy and beam search for a recurrent decoder, batched over sentences; it knows no corpus and no network."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from anamnesis import deadline
from anamnesis.errors import AnamnesisError
from anamnesis.nn.settings import WIDEST_BEAM

State = tuple[Tensor, ...]
"""What a decoder carries from token to token, its parts each (rows, size...)."""

Step = Callable[[Tensor, State, Tensor], tuple[Tensor, State]]
"""Reads one token in each row, and returns what may follow it.

Takes the tokens (rows,) int64, the state, and the number of the sentence that each row belongs to (rows,) int64, in
ascending order. Returns natural logarithms of probabilities (rows, vocabulary), -inf for what must not follow, and the
next state. While the rows stay with their sentences, the sentence numbers are the very same tensor, so what was looked
up by them can be kept.
"""


@dataclass(frozen=True)
class Hypothesis:
    """A sequence that a decoder may mean.

    `ids` holds neither the start nor the end token; `finished` says whether the end token came, and else the limit cut
    it off. `log_probability` includes the end token's; `score` is log_probability / length ** length_penalty, with the
    end token counted in the length.
    """

    ids: list[int]
    finished: bool
    log_probability: float
    score: float


def check_beam(width: int, n_best: int) -> None:
    """Check the numbers of a request.

    Raises:
        AnamnesisError: `width` is not from 1 to `WIDEST_BEAM`, or `n_best` not from 1 to `width`.
    """
    if not 1 <= width <= WIDEST_BEAM:
        raise AnamnesisError(f"beam: found {width}; allowed: from 1 to {WIDEST_BEAM}")
    if not 1 <= n_best <= width:
        raise AnamnesisError(f"n-best: found {n_best}; allowed: from 1 to the beam's width, which is {width}")


def search(
    step: Step,
    state: State,
    start: int,
    end: int,
    limits: Tensor,
    width: int,
    n_best: int = 1,
    length_penalty: float = 1.0,
) -> list[list[Hypothesis]]:
    """The best hypotheses of each sentence, best first, by `beam`, or by `greedy` where the width is 1.

    The arguments and errors are those of `beam`.
    """
    if width == 1:
        return [[hypothesis] for hypothesis in greedy(step, state, start, end, limits, length_penalty)]
    return beam(step, state, start, end, limits, width, n_best, length_penalty)


@torch.inference_mode()
def greedy(
    step: Step, state: State, start: int, end: int, limits: Tensor, length_penalty: float = 1.0
) -> list[Hypothesis]:
    """The sequence of each sentence that takes the likeliest token at every step.

    Args:
        state: the decoder's before the first token, its parts each (sentences, size...).
        limits: the most tokens of a sentence's sequence (sentences,), int64, the end token included.

    Raises:
        AnamnesisError: a limit is below 1 or the length penalty below 0, or the decoder gives no probability to any
            token.
    """
    sentences, powers = _checked(limits, length_penalty)
    tokens = torch.full_like(limits, start)
    totals = torch.zeros_like(limits, dtype=torch.float64)
    ids = limits.new_full((len(limits), len(powers)), end)
    for time in range(len(powers)):
        deadline.check()
        following, state = step(tokens, state, sentences)
        # As the beam takes its candidates, so that equally likely tokens are told apart in the same way.
        best, tokens = (found.squeeze(1) for found in following.topk(1))
        totals[sentences] += best
        ids[sentences, time] = tokens
        live = (tokens != end) & (limits[sentences] > time + 1)
        rows = int(live.sum())
        if rows == 0:
            break
        if rows < len(sentences):
            kept = torch.nonzero_static(live, size=rows).squeeze(1)
            tokens, sentences, state = tokens[kept], sentences[kept], _rows(state, kept)
    found = []
    for row, limit, total in zip(ids.tolist(), limits.tolist(), totals.tolist(), strict=True):
        length = min(row.index(end) + 1 if end in row else limit, limit)
        found.append(_hypothesis(row[:length], end, total, total / length**length_penalty))
    _refuse_impossible([np.isfinite(hypothesis.log_probability) for hypothesis in found])
    return found


@torch.inference_mode()
def beam(
    step: Step,
    state: State,
    start: int,
    end: int,
    limits: Tensor,
    width: int,
    n_best: int = 1,
    length_penalty: float = 1.0,
) -> list[list[Hypothesis]]:
    """The sequences of each sentence with the best scores that a beam search meets, best first.

    A hypothesis that ends leaves the beam, which is narrower by one from then on (Sutskever et al. 2014, section 3.2,
    "Sequence to Sequence Learning with Neural Networks"). One that reaches the limit counts as it is. So a width of 1
    is greedy search, and one of all sequences there are is exhaustive search. Hypotheses of a beam are equally long and
    compete by log-probability; the ended ones by score, whose normalisation is the power of the length in Wu et al.
    2016, section 7, "Google's Neural Machine Translation System". Of equal scores the earlier ended is first.

    A sentence is done when its beam is empty, or no score in reach is above its `n_best` best: a log-probability only
    falls and a length ends at the limit, so log_probability / limit ** length_penalty bounds what can become of a
    hypothesis. This changes no result. Rows that ended are not computed again.

    Args:
        state: the decoder's before the first token, its parts each (sentences, size...).
        limits: the most tokens of a sentence's sequence (sentences,), int64, the end token included.
        width: the number of hypotheses of a sentence, ended ones included.
        n_best: how many to return of each sentence; fewer where there are not so many sequences.

    Raises:
        AnamnesisError: a limit or the width is below 1, the length penalty below 0, or n_best not from 1 to the width;
            or the decoder gives no probability to any token.
    """
    if width < 1:
        raise AnamnesisError(f"beam: found {width}; allowed: at least 1")
    if not 1 <= n_best <= width:
        raise AnamnesisError(f"n_best: found {n_best}; allowed: from 1 to the beam's width, which is {width}")
    sentences, powers = _checked(limits, length_penalty)
    number = len(limits)
    # A sentence owns `width` places of a grid (sentences, width). Rows hold the occupied ones alone, in their order.
    places = sentences * width
    counts = torch.ones_like(limits)
    free = torch.full_like(limits, width)
    slots = torch.arange(width, device=limits.device).expand(number, width)
    tokens = torch.full_like(limits, start)
    # Doubles, so that how a sum is rounded does not decide between hypotheses.
    totals = torch.zeros_like(limits, dtype=torch.float64)
    reach = powers[limits - 1]
    best_scores = totals.new_full((number, n_best), -torch.inf)
    best_totals, best_origins = best_scores, limits.new_zeros(number, n_best)
    history: list[tuple[Tensor, Tensor]] = []
    for time in range(len(powers)):
        deadline.check()
        following, state = step(tokens, state, sentences)
        # No more than `width` continuations of one hypothesis can be among the `width` best of its sentence.
        each = min(width, following.shape[1])
        likeliest, candidates = following.topk(each)
        grid = totals.new_full((number * width, each), -torch.inf)
        grid[places] = totals[:, None] + likeliest
        grid_tokens = candidates.new_zeros(number * width, each)
        grid_tokens[places] = candidates
        grid_totals, chosen = grid.view(number, -1).topk(width)
        grid_tokens = grid_tokens.view(number, -1).gather(1, chosen)
        parents = chosen // each
        history.append((grid_tokens, parents))

        kept = (slots < free[:, None]) & (grid_totals > -torch.inf)
        ended = kept & ((grid_tokens == end) | (limits == time + 1)[:, None])
        free = free - ended.sum(1)
        scores = (grid_totals / powers[time]).where(ended, -torch.inf)
        best_scores, order = torch.cat([best_scores, scores], 1).sort(dim=1, descending=True, stable=True)
        best_scores, order = best_scores[:, :n_best], order[:, :n_best]
        best_totals = torch.cat([best_totals, grid_totals], 1).gather(1, order)
        best_origins = torch.cat([best_origins, slots + time * width], 1).gather(1, order)

        live = kept & ~ended
        bound = grid_totals.where(live, -torch.inf).amax(1) / reach
        live &= (bound > best_scores[:, -1])[:, None]
        before, counts = counts, live.sum(1)
        # The one wait for the device in a step.
        rows, stay = torch.stack([counts.sum(), (counts == before).all()]).tolist()
        if rows == 0:
            break
        rows_of_places = torch.zeros_like(grid_tokens).view(-1)
        rows_of_places[places] = torch.arange(len(places), device=places.device)
        places = torch.nonzero_static(live.view(-1), size=rows).squeeze(1)
        kept_rows = rows_of_places[places // width * width + parents.view(-1)[places]]
        tokens, totals, state = grid_tokens.view(-1)[places], grid_totals.view(-1)[places], _rows(state, kept_rows)
        if not stay:
            sentences = places // width
    _refuse_impossible((best_scores[:, 0] > -torch.inf).tolist())
    ids, lengths = _traced(history, best_origins, width)
    return [
        [
            _hypothesis(row[:length], end, total, score)
            for row, length, total, score in zip(*found, strict=True)
            if score > -torch.inf
        ]
        for found in zip(ids, lengths, best_totals.tolist(), best_scores.tolist(), strict=True)
    ]


def _checked(limits: Tensor, length_penalty: float) -> tuple[Tensor, Tensor]:
    """The sentences' numbers (sentences,), and length ** length_penalty of the lengths from 1 to the longest limit."""
    if not length_penalty >= 0:
        raise AnamnesisError(f"length_penalty: found {length_penalty}; allowed: at least 0")
    least, longest = (int(limits.min()), int(limits.max())) if len(limits) else (1, 0)
    if least < 1:
        raise AnamnesisError(f"limits: found {least}; allowed: at least 1 token")
    powers = torch.tensor([length**length_penalty for length in range(1, longest + 1)], dtype=torch.float64)
    return torch.arange(len(limits), device=limits.device), powers.to(limits.device)


def _rows(state: State, rows: Tensor) -> State:
    return tuple(part.index_select(0, rows) for part in state)


def _traced(
    history: list[tuple[Tensor, Tensor]], origins: Tensor, width: int
) -> tuple[list[list[list[int]]], list[list[int]]]:
    """Tokens, and how many they are, of hypotheses that stood in place origin % width after step origin // width.

    Args:
        history: of each step the tokens in the places and the places they follow, each (sentences, width).
        origins: (sentences, n_best).
    """
    lasts, slots = np.divmod(origins.cpu().numpy(), width)
    ids = np.zeros((*lasts.shape, len(history)), np.int64)
    for time in reversed(range(len(history))):
        tokens, parents = (part.cpu().numpy() for part in history[time])
        ids[:, :, time] = np.take_along_axis(tokens, slots, 1)
        slots = np.where(time <= lasts, np.take_along_axis(parents, slots, 1), slots)
    return ids.tolist(), (lasts + 1).tolist()


def _hypothesis(ids: list[int], end: int, log_probability: float, score: float) -> Hypothesis:
    finished = ids[-1] == end
    return Hypothesis(ids[:-1] if finished else ids, finished, log_probability, score)


def _refuse_impossible(possible: list[bool]) -> None:
    if not all(possible):
        raise AnamnesisError(
            f"sentence {possible.index(False) + 1} of {len(possible)}: the decoder gives no token a probability; "
            "its weights or inputs are not finite"
        )
