"""Greedy and beam search for any recurrent decoder, for a batch of sentences at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from anamnesis import deadline
from anamnesis.errors import AnamnesisError
from anamnesis.nn.settings import WIDEST_BEAM

# Steps between two checks of what is finished, on a GPU: each check waits for it.
INTERVAL = 4

State = tuple[Tensor, ...]
"""The decoder's state between two tokens, each part (rows, size...)."""

Step = Callable[[Tensor, State, Tensor], tuple[Tensor, State]]
"""One step of a decoder: log-probabilities of the next token, (rows, vocabulary), and the next state.

Its arguments are the tokens (rows,) int64, the state, and the number of each row's sentence (rows,) int64, in ascending
order. Tokens with a log-probability of -inf never follow. While the rows belong to the same sentences, the sentence
numbers are the same tensor object, so that a step may cache what it has looked up by them. What it returns for a row of
a finished hypothesis changes nothing.
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


@torch.inference_mode()
def search(
    step: Step,
    state: State,
    start: int,
    end: int,
    limits: Sequence[int],
    width: int,
    n_best: int = 1,
    length_penalty: float = 1.0,
    interval: int | None = None,
) -> list[list[Hypothesis]]:
    """The hypotheses of each sentence with the best scores in a beam search, best first; greedy where the width is 1.

    A hypothesis that ends leaves the beam, which is then narrower by one (Sutskever et al. 2014, section 3.2, "Sequence
    to Sequence Learning with Neural Networks"). A hypothesis at the limit counts without an end token. So a width of 1
    is greedy search, and a width of the number of all sequences is exhaustive search. Unfinished hypotheses have equal
    lengths and compete by log-probability. Finished ones compete by score, normalised by the power of the length in Wu
    et al. 2016, section 7, "Google's Neural Machine Translation System"; of equal scores the one that ended earlier
    comes first.

    The search for a sentence stops when its beam is empty, or when no hypothesis can still exceed the `n_best` best
    scores: log-probabilities only decrease and lengths end at the limit, so log_probability / limit ** length_penalty
    is an upper bound. Stopping changes no result.

    Everything stays on the device of the state. The processor reads from it every `interval` steps, to drop the rows of
    finished hypotheses and to end, and after the last step; in between it copies nothing to the device. A row that is
    finished and not dropped yet is computed, but changes no result.

    Args:
        state: the decoder's state before the first token, each part (sentences, size...).
        limits: the most tokens of each sentence's sequence, the end token included.
        width: hypotheses of each sentence, finished ones included.
        n_best: hypotheses to return for each sentence, or all if there are fewer sequences.
        interval: steps between two checks of what is finished; None: 1 on a CPU, where a check costs nothing, else
            `INTERVAL`.

    Raises:
        AnamnesisError: a limit or the width is below 1, the length penalty is below 0, `n_best` is not from 1 to the
            width, or no token has a probability.
    """
    if width < 1:
        raise AnamnesisError(f"beam: found {width}; allowed: at least 1")
    if not 1 <= n_best <= width:
        raise AnamnesisError(f"n_best: found {n_best}; allowed: from 1 to the beam's width, which is {width}")
    if not length_penalty >= 0:
        raise AnamnesisError(f"length_penalty: found {length_penalty}; allowed: at least 0")
    if min(limits, default=1) < 1:
        raise AnamnesisError(f"limits: found {min(limits)}; allowed: at least 1 token")
    if not limits:
        return []
    device, number = state[0].device, len(limits)
    if interval is None:
        interval = 1 if device.type == "cpu" else INTERVAL
    ends = torch.tensor(limits, device=device)
    # length ** length_penalty of each length. In double precision, as the totals are, so that rounding errors do not
    # decide between hypotheses.
    powers = [length**length_penalty for length in range(1, max(limits) + 1)]
    reach = torch.tensor([powers[limit - 1] for limit in limits], dtype=torch.float64, device=device)
    sentences = torch.arange(number, device=device)
    # Each sentence has `width` places in a grid (sentences, width). A row of the state stands for a place; the rows are
    # in the order of their places.
    places = firsts = sentences * width
    rows_of_places = _rows_of_places(places, number * width)
    counts = torch.ones_like(ends)
    free = torch.full_like(ends, width)
    slots = torch.arange(width, device=device).expand(number, width)
    tokens = torch.full_like(ends, start)
    # The sum of log-probabilities of each row; -inf: it is finished.
    totals = torch.zeros_like(reach)
    best_scores = totals.new_full((number, n_best), -torch.inf)
    best_totals, best_origins = best_scores, ends.new_zeros(number, n_best)
    history: list[tuple[Tensor, Tensor]] = []
    for time, power in enumerate(powers):
        deadline.check()
        log_probabilities, state = step(tokens, state, sentences)
        # Of one hypothesis, at most `width` continuations can be among the `width` best of its sentence.
        each = min(width, log_probabilities.shape[1])
        best, candidates = log_probabilities.topk(each)
        grid = totals.new_full((number * width, each), -torch.inf)
        grid[places] = (totals[:, None] + best).masked_fill(totals[:, None] == -torch.inf, -torch.inf)
        grid_tokens = candidates.new_zeros(number * width, each)
        grid_tokens[places] = candidates
        grid_totals, chosen = grid.view(number, -1).topk(width)
        grid_tokens = grid_tokens.view(number, -1).gather(1, chosen)
        parents = chosen // each
        history.append((grid_tokens, parents))

        kept = (slots < free[:, None]) & (grid_totals > -torch.inf)
        ended = kept & ((grid_tokens == end) | (ends == time + 1)[:, None])
        free = free - ended.sum(1)
        scores = (grid_totals / power).masked_fill(~ended, -torch.inf)
        best_scores, order = torch.cat([best_scores, scores], 1).sort(dim=1, descending=True, stable=True)
        best_scores, order = best_scores[:, :n_best], order[:, :n_best]
        best_totals = torch.cat([best_totals, grid_totals], 1).gather(1, order)
        best_origins = torch.cat([best_origins, slots + time * width], 1).gather(1, order)

        live = kept & ~ended
        bound = grid_totals.masked_fill(~live, -torch.inf).amax(1) / reach
        live &= (bound > best_scores[:, -1])[:, None]
        after, stay = places, True
        if (time + 1) % interval == 0:
            # Until the next check, the hypotheses that follow these may be in any place below `free`.
            needed = live if interval == 1 else (live | (slots < free[:, None])) & live.any(1, keepdim=True)
            before, counts = counts, needed.sum(1)
            rows, stay = torch.stack([counts.sum(), (counts == before).all()]).tolist()
            if rows == 0:
                break
            after = torch.nonzero_static(needed.view(-1), size=rows).squeeze(1)
        elif time == 0 and width > 1:
            after, counts, stay = torch.arange(number * width, device=device), counts * width, False
        if after is not places:
            firsts = after // width * width
        kept_rows = rows_of_places[firsts + parents.view(-1)[after]]
        tokens, state = grid_tokens.view(-1)[after], _rows(state, kept_rows)
        totals = grid_totals.masked_fill(~live, -torch.inf).view(-1)[after]
        if after is not places:
            places, rows_of_places = after, _rows_of_places(after, number * width)
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


def _rows_of_places(places: Tensor, size: int) -> Tensor:
    """The number of the row that stands for each of `size` places, (size,); 0 where none does."""
    rows = places.new_zeros(size)
    rows[places] = torch.arange(len(places), device=places.device)
    return rows


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
    tokens, parents = (torch.stack(parts).cpu().numpy() for parts in zip(*history, strict=True))
    for time in reversed(range(len(history))):
        ids[:, :, time] = np.take_along_axis(tokens[time], slots, 1)
        slots = np.where(time <= lasts, np.take_along_axis(parents[time], slots, 1), slots)
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
