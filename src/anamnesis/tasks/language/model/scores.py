"""Scores of a language model on texts, which it reads in chunks and in batches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import exp, fsum, isfinite

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError
from anamnesis.metrics.targets import TargetScores
from anamnesis.tasks.language.model.language_model import LanguageModel
from anamnesis.tasks.language.model.text import Split, is_target

# Tokens in a chunk without distributions.
CHUNK = 2**16
# Texts in a batch, and tokens of each of them in a chunk with distributions.
ROWS, STEPS = 64, 1024


def target_scores(model: LanguageModel, ids: NDArray[np.integer], chunk: int | None = None) -> Iterator[TargetScores]:
    """Score each token of texts but the first, given all tokens before it; the state is carried between chunks.

    Args:
        ids: one text (tokens,) or texts of one length (batch, tokens), of any integer type; may be a memory map.
        chunk: tokens of each text in a chunk, which changes only time and memory; None: a number that is fast.

    Yields:
        Scores (tokens of the chunk,) or (batch, tokens of the chunk), together one for each of ids[..., 1:].
    """
    rows = ids if ids.ndim == 2 else ids[None]
    if chunk is None:
        room, longest = CHUNK, CHUNK
        if model.needs_distributions:
            room, longest = min(STEPS * ROWS, model.room // model.tokenizer.vocabulary_size), STEPS
        chunk = max(1, min(longest, room // max(len(rows), 1)))
    state = model.initial_state(len(rows))
    for first in range(0, rows.shape[1] - 1, chunk):
        part = rows[:, first : first + chunk + 1].astype(np.int64)
        scores, state = model.score_targets(part[:, :-1], part[:, 1:], state)
        yield scores if ids.ndim == 2 else TargetScores(*(array[0] for array in scores))


def surprisals(model: LanguageModel, texts: Sequence[NDArray[np.integer]]) -> list[NDArray[np.float64]]:
    """-ln p in nats of each token but the first of independent texts: for each text an array (tokens - 1,).

    Texts of similar length share a batch; the shorter ones are padded with their last token.

    Args:
        texts: each (tokens,), at least one token.
    """
    lengths = [len(ids) for ids in texts]
    order = sorted(range(len(texts)), key=lambda index: lengths[index])
    rows = max(1, min(ROWS, model.room // model.tokenizer.vocabulary_size))
    result: list[NDArray[np.float64]] = [np.empty(0)] * len(texts)
    for first in range(0, len(order), rows):
        part = order[first : first + rows]
        longest = lengths[part[-1]]
        batch = np.stack(
            [np.pad(texts[index].astype(np.int64), (0, longest - lengths[index]), "edge") for index in part]
        )
        scores = [chunk.log_probabilities for chunk in target_scores(model, batch)]
        joined = np.concatenate(scores, axis=1) if scores else np.empty((len(part), 0))
        for row, index in zip(joined, part, strict=True):
            result[index] = -row[: lengths[index] - 1]
    return result


@dataclass(frozen=True, eq=False)
class SplitScores:
    """Scores of a model on a split.

    Attributes:
        nats: sum of -ln p over the targets.
        accuracy: share of targets that were the model's most probable token; see `metrics.targets.credit`.
        top5_accuracy: share of targets among its five most probable tokens.
        targets: number of targets.
        log_probabilities: ln p of each token but the first, `<s>` included: (tokens - 1,); None unless asked for.
    """

    nats: float
    accuracy: float
    top5_accuracy: float
    targets: int
    log_probabilities: NDArray[np.float64] | None

    @property
    def perplexity(self) -> float:
        """exp of the mean of -ln p.

        Raises:
            AnamnesisError: it is too large for a float.
        """
        mean = self.nats / self.targets
        try:
            return exp(mean)
        except OverflowError:
            raise AnamnesisError(f"found {mean:.4g} nats a token: a perplexity too large to write down") from None


def score_split(
    model: LanguageModel,
    split: Split,
    progress: Callable[[int], object] = lambda tokens: None,
    keep: bool = False,
    chunk: int | None = None,
) -> SplitScores:
    """Scores of a model on a whole split, read as one stream from the initial state.

    Every token but the first of the split and `<s>` is a target and weighs the same.

    Args:
        progress: called with the number of tokens scored since the last call.
        keep: return the log-probabilities, 8 bytes for each token.
        chunk: as for `target_scores`.

    Raises:
        AnamnesisError: the split has no target, or the model gives a target no probability.
    """
    sums: list[list[float]] = [[], [], []]
    kept = [np.empty(0)]
    place = count = 0
    for scores in target_scores(model, split.ids, chunk):
        length = len(scores.top1)
        targets = is_target(model.tokenizer, split.ids[place : place + length + 1])
        # Exact sums, so that no rounding depends on where a chunk ends.
        sums = [exact_sum(sum_, column[targets]) for sum_, column in zip(sums, scores, strict=True)]
        if keep:
            kept.append(scores.log_probabilities)
        place += length
        count += int(np.count_nonzero(targets))
        progress(length)
    if count == 0:
        raise AnamnesisError(f"{split.path}: found {len(split.ids)} tokens, none of which is to be predicted")
    log_probability, top1, top5 = map(fsum, sums)
    if not isfinite(log_probability):
        raise AnamnesisError(f"{split.path}: the model gives a token of the text a probability of 0 or NaN")
    return SplitScores(-log_probability, top1 / count, top5 / count, count, np.concatenate(kept) if keep else None)


def exact_sum(sum_: list[float], values: NDArray[np.float64]) -> list[float]:
    """A few numbers with the exact sum of `sum_` and `values`; a single one where the sum is not finite."""
    terms, result = [*sum_, *values.tolist()], list[float]()
    # `fsum` rounds the exact sum once; what it rounded off is the exact sum of the terms and of its negative.
    while rest := fsum(terms):
        if not isfinite(rest):
            return [rest]
        result.append(rest)
        terms.append(-rest)
    return result
