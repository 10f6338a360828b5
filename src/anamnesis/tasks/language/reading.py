"""Reading texts with a model, in chunks and in batches: how well it foresaw each token, given all before it."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from anamnesis.metrics.targets import TargetScores, from_distributions
from anamnesis.tasks.language.protocol import NextTokenModel, TargetScorer

# Numbers in memory at once: log-probabilities of a chunk of tokens, or scores of a longer chunk without them.
DISTRIBUTIONS = 2**21
CHUNK = 2**16
# Texts that are read side by side.
ROWS = 64


def target_scores(model: NextTokenModel, ids: NDArray[np.integer], chunk: int | None = None) -> Iterator[TargetScores]:
    """Score each token of texts but the first, given all before it; the state is carried from chunk to chunk.

    Args:
        ids: one text (tokens,) or texts of one length (batch, tokens), any integer type; may be a memory map.
        chunk: tokens of each text read at once, which changes nothing but time and memory; None: as many as are fast.

    Yields:
        Scores (tokens of the chunk,) or (batch, tokens of the chunk), together one for each of ids[..., 1:].
    """
    scorer = model if isinstance(model, TargetScorer) else None
    rows = ids if ids.ndim == 2 else ids[None]
    if chunk is None:
        room = CHUNK if scorer else min(1024 * ROWS, DISTRIBUTIONS // model.tokenizer.vocabulary_size)
        chunk = max(1, min(CHUNK if scorer else 1024, room // max(len(rows), 1)))
    state = model.initial_state(len(rows))
    for first in range(0, rows.shape[1] - 1, chunk):
        part = rows[:, first : first + chunk + 1].astype(np.int64)
        read, targets = part[:, :-1], part[:, 1:]
        if scorer:
            scores, state = scorer.score_targets(read, targets, state)
        else:
            distributions, state = model.predict(read, state)
            scores = from_distributions(distributions, targets)
        yield scores if ids.ndim == 2 else TargetScores(*(array[0] for array in scores))


def surprisals(model: NextTokenModel, texts: Sequence[NDArray[np.integer]]) -> list[NDArray[np.float64]]:
    """-ln p of each token but the first of texts that do not know of each other, many of them read side by side.

    Texts of about the same length share a batch. The shorter ones go on with their last token, which no longer counts.

    Args:
        texts: each (tokens,), at least one token.

    Returns:
        For each text an array (tokens - 1,), in nats.
    """
    lengths = [len(ids) for ids in texts]
    order = sorted(range(len(texts)), key=lambda index: lengths[index])
    rows = max(1, min(ROWS, DISTRIBUTIONS // model.tokenizer.vocabulary_size))
    found: list[NDArray[np.float64]] = [np.empty(0)] * len(texts)
    for first in range(0, len(order), rows):
        part = order[first : first + rows]
        longest = lengths[part[-1]]
        batch = np.stack(
            [np.pad(texts[index].astype(np.int64), (0, longest - lengths[index]), "edge") for index in part]
        )
        scores = [chunk.log_probabilities for chunk in target_scores(model, batch)]
        joined = np.concatenate(scores, axis=1) if scores else np.empty((len(part), 0))
        for row, index in zip(joined, part, strict=True):
            found[index] = -row[: lengths[index] - 1]
    return found
