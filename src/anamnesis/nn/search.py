"""Greedy and beam search for any recurrent decoder, for a batch of sentences at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from anamnesis import deadline
from anamnesis.errors import AnamnesisError
from anamnesis.nn.settings import WIDEST_BEAM

State = tuple[Tensor, ...]
"""The decoder's state between two tokens, each part (rows, size...)."""

Step = Callable[[Tensor, State, Tensor], tuple[Tensor, State]]
"""One step of a decoder: log-probabilities of the next token, (rows, vocabulary), and the next state.

Its arguments are the tokens (rows,) int64, the state, and the number of each row's sentence (rows,) int64, in ascending
order. Tokens with a log-probability of -inf never follow. While the rows belong to the same sentences, the sentence
numbers are the same tensor object, so that a step may cache what it has looked up by them.
"""


@dataclass(frozen=True)
class Hypothesis:
    """A sequence that a search found.

    Attributes:
        ids: its tokens, without start and end token.
        finished: whether it has an end token; if not, the limit cut it off.
        log_probability: the sum over its tokens, the end token included, in nats.
        score: log_probability / length ** length_penalty; the length counts the end token.
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
    """The hypothesis of each sentence that takes the most probable token at every step.

    Args:
        state: the decoder's state before the first token, each part (sentences, size...).
        limits: the most tokens of each sentence's sequence, the end token included, (sentences,), int64.

    Raises:
        AnamnesisError: a limit is below 1, the length penalty is below 0, or no token has a probability.
    """
    sentences, powers = _prepare(limits, length_penalty)
    tokens = torch.full_like(limits, start)
    totals = torch.zeros_like(limits, dtype=torch.float64)
    ids = limits.new_full((len(limits), len(powers)), end)
    for time in range(len(powers)):
        deadline.check()
        log_probabilities, state = step(tokens, state, sentences)
        # As in `beam`, so that both searches choose the same one of equally probable tokens.
        best, tokens = (part.squeeze(1) for part in log_probabilities.topk(1))
        totals[sentences] += best
        ids[sentences, time] = tokens
        live = (tokens != end) & (limits[sentences] > time + 1)
        rows = int(live.sum())
        if rows == 0:
            break
        if rows < len(sentences):
            kept = torch.nonzero_static(live, size=rows).squeeze(1)
            tokens, sentences, state = tokens[kept], sentences[kept], _rows(state, kept)
    hypotheses = []
    for row, limit, total in zip(ids.tolist(), limits.tolist(), totals.tolist(), strict=True):
        length = min(row.index(end) + 1 if end in row else limit, limit)
        hypotheses.append(_hypothesis(row[:length], end, total, total / length**length_penalty))
    _check_possible([np.isfinite(hypothesis.log_probability) for hypothesis in hypotheses])
    return hypotheses


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
    """The hypotheses of each sentence with the best scores in a beam search, best first.

    A hypothesis that ends leaves the beam, which is then narrower by one (Sutskever et al. 2014, section 3.2, "Sequence
    to Sequence Learning with Neural Networks"). A hypothesis at the limit counts without an end token. So a width of 1
    is greedy search, and a width of the number of all sequences is exhaustive search. Unfinished hypotheses have equal
    lengths and compete by log-probability. Finished ones compete by score, normalised by the power of the length in Wu
    et al. 2016, section 7, "Google's Neural Machine Translation System"; of equal scores the one that ended earlier
    comes first.

    The search for a sentence stops when its beam is empty, or when no hypothesis can still exceed the `n_best` best
    scores: log-probabilities only decrease and lengths end at the limit, so log_probability / limit ** length_penalty
    is an upper bound. Stopping changes no result. Finished rows are not computed again.

    Args:
        state: the decoder's state before the first token, each part (sentences, size...).
        limits: the most tokens of each sentence's sequence, the end token included, (sentences,), int64.
        width: hypotheses of each sentence, finished ones included.
        n_best: hypotheses to return for each sentence, or all if there are fewer sequences.

    Raises:
        AnamnesisError: a limit or the width is below 1, the length penalty is below 0, `n_best` is not from 1 to the
            width, or no token has a probability.
    """
    if width < 1:
        raise AnamnesisError(f"beam: found {width}; allowed: at least 1")
    if not 1 <= n_best <= width:
        raise AnamnesisError(f"n_best: found {n_best}; allowed: from 1 to the beam's width, which is {width}")
    sentences, powers = _prepare(limits, length_penalty)
    number = len(limits)
    # Each sentence has `width` places in a grid (sentences, width). A row of the state is an occupied place; the rows
    # are in the order of their places.
    places = sentences * width
    counts = torch.ones_like(limits)
    free = torch.full_like(limits, width)
    slots = torch.arange(width, device=limits.device).expand(number, width)
    tokens = torch.full_like(limits, start)
    # In double precision, so that rounding errors do not decide between hypotheses.
    totals = torch.zeros_like(limits, dtype=torch.float64)
    reach = powers[limits - 1]
    best_scores = totals.new_full((number, n_best), -torch.inf)
    best_totals, best_origins = best_scores, limits.new_zeros(number, n_best)
    history: list[tuple[Tensor, Tensor]] = []
    for time in range(len(powers)):
        deadline.check()
        log_probabilities, state = step(tokens, state, sentences)
        # Of one hypothesis, at most `width` continuations can be among the `width` best of its sentence.
        each = min(width, log_probabilities.shape[1])
        best, candidates = log_probabilities.topk(each)
        grid = totals.new_full((number * width, each), -torch.inf)
        grid[places] = totals[:, None] + best
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
        # The only synchronisation with the device in a step.
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
    _check_possible((best_scores[:, 0] > -torch.inf).tolist())
    ids, lengths = _trace_back(history, best_origins, width)
    return [
        [
            _hypothesis(row[:length], end, total, score)
            for row, length, total, score in zip(*found, strict=True)
            if score > -torch.inf
        ]
        for found in zip(ids, lengths, best_totals.tolist(), best_scores.tolist(), strict=True)
    ]


def _prepare(limits: Tensor, length_penalty: float) -> tuple[Tensor, Tensor]:
    """Numbers of the sentences (sentences,), and length ** length_penalty for each length up to the largest limit.

    Raises:
        AnamnesisError: a limit is below 1, or the length penalty is below 0.
    """
    if not length_penalty >= 0:
        raise AnamnesisError(f"length_penalty: found {length_penalty}; allowed: at least 0")
    least, longest = (int(limits.min()), int(limits.max())) if len(limits) else (1, 0)
    if least < 1:
        raise AnamnesisError(f"limits: found {least}; allowed: at least 1 token")
    powers = torch.tensor([length**length_penalty for length in range(1, longest + 1)], dtype=torch.float64)
    return torch.arange(len(limits), device=limits.device), powers.to(limits.device)


def _rows(state: State, rows: Tensor) -> State:
    return tuple(part.index_select(0, rows) for part in state)


def _trace_back(
    history: list[tuple[Tensor, Tensor]], origins: Tensor, width: int
) -> tuple[list[list[list[int]]], list[list[int]]]:
    """The tokens and the length of each hypothesis.

    Args:
        history: for each step, the token in each place and the place of its predecessor, each (sentences, width).
        origins: step * width + place of each hypothesis' last token, (sentences, n_best).
        width: places of a sentence.
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


def _check_possible(possible: list[bool]) -> None:
    if not all(possible):
        raise AnamnesisError(
            f"sentence {possible.index(False) + 1} of {len(possible)}: the decoder gives no token a probability; "
            "its weights or inputs are not finite"
        )
