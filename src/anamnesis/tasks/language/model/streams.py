"""Training batches of a text: parallel streams for truncated BPTT, or sliding windows."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.settings import Streams, Windows
from anamnesis.training.batches import batch_starts

IGNORED = -100
"""A target without a loss: past the end of a stream, or `<s>`."""

# Streams of the validation split, the same for all experiments, so that their curves compare. One stream is several
# times as slow on some machines and layers.
VALIDATION_STREAMS = 32
# Tokens that a validation stream reads before its targets: the loss is that of one stream to 3 or 4 digits.
WARM_UP = 100
# Fewest tokens of a validation stream, so that most tokens are read once.
SHORTEST = 2 * WARM_UP

Batch = tuple[Tensor, Tensor, bool]
"""Inputs (time, batch) and targets (time or 1, batch), int64; and whether the batch starts from the zero state."""


class StreamBatches:
    """Segments of parallel streams that cover every token once, in the order of truncated BPTT.

    The 11 tokens a..k have 10 pairs of a token and its successor. Two streams, segments of three steps:

                     segment 1    segment 2    (state carried from left to right)
        stream 1     a b c   ->   d e          predicts  b c d   e f
        stream 2     f g h   ->   i j          predicts  g h i   j k

    Streams differ in length by at most one; the shorter ones end in an ignored target. No token is dropped.

    Iteration starts at segment `position`, so that a loader restored in the middle of an epoch continues there. The
    position is 0 again as soon as the last batch is returned, because Lightning never asks for one more.

    Args:
        ids: (tokens,); may be a memory map.
        settings: the experiment's `batches` block.
        start_id: the id of `<s>`, which is no target.
        warm_up: tokens that each stream but the first reads before its own, with ignored targets.

    Raises:
        AnamnesisError: there are fewer pairs than streams.
    """

    def __init__(self, ids: NDArray[Any], settings: Streams, start_id: int | None, warm_up: int = 0) -> None:
        pairs = len(ids) - 1
        if pairs < settings.batch:
            raise AnamnesisError(
                f"batches.batch: found {settings.batch} streams for {len(ids)} tokens; allowed: at most {max(pairs, 0)}"
            )
        self.ids, self.start_id, self.steps = ids, start_id, settings.steps
        length, longer = divmod(pairs, settings.batch)
        self.lengths = np.full(settings.batch, length, dtype=np.int64)
        self.lengths[:longer] += 1
        firsts = np.concatenate(([0], np.cumsum(self.lengths)[:-1]))
        self.starts = np.maximum(firsts - warm_up, 0)
        self.ignored = firsts - self.starts
        self.lengths += self.ignored
        self.longest = int(self.lengths.max())
        self.position = 0

    def shard(self, rank: int, ranks: int) -> None:
        """Keep only the streams of process `rank` of `ranks`, the same number in each process.

        The last processes may have empty streams, all of whose targets are ignored.
        """
        share = -(-len(self.starts) // ranks)
        empty = share * ranks - len(self.starts)
        part = slice(rank * share, (rank + 1) * share)
        self.starts, self.lengths, self.ignored = (
            np.pad(each, (0, empty))[part] for each in (self.starts, self.lengths, self.ignored)
        )

    def __len__(self) -> int:
        return -(-self.longest // self.steps)

    def __iter__(self) -> Iterator[Batch]:
        last = len(self.ids) - 1
        for number in range(self.position, len(self)):
            first = number * self.steps
            offsets = np.arange(first, min(first + self.steps, self.longest))[:, None]
            index = np.minimum(self.starts + offsets, last - 1)
            targets = self.ids[index + 1].astype(np.int64)
            targets[(offsets >= self.lengths) | (offsets < self.ignored)] = IGNORED
            if self.start_id is not None:
                targets[targets == self.start_id] = IGNORED
            self.position = (number + 1) % len(self)
            yield torch.from_numpy(self.ids[index].astype(np.int64)), torch.from_numpy(targets), first == 0

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position = state["position"]


def validation_batches(ids: NDArray[Any], start_id: int | None) -> StreamBatches:
    """Batches of the validation split (tokens,). Raises as `StreamBatches`."""
    streams = max(1, min(VALIDATION_STREAMS, (len(ids) - 1) // SHORTEST))
    return StreamBatches(ids, Streams(batch=streams), start_id, WARM_UP)


class WindowBatches:
    """Independent windows in a new seeded order each epoch; the target is the token after a window.

    With length 4 and step 3 over a..k:  abcd -> e   defg -> h   ghij -> k

    Args:
        ids: (tokens,); may be a memory map.
        settings: the experiment's `batches` block.
        start_id: the id of `<s>`, which is no target.
        seed: of the order.

    Raises:
        AnamnesisError: the text is shorter than one window and its target.
    """

    def __init__(self, ids: NDArray[Any], settings: Windows, start_id: int | None, seed: int) -> None:
        starts = np.arange(0, len(ids) - settings.length, settings.step)
        if start_id is not None:
            starts = starts[ids[starts + settings.length] != start_id]
        if len(starts) == 0:
            raise AnamnesisError(
                f"batches.length: found {settings.length} for {len(ids)} tokens; allowed: at most {len(ids) - 1}"
            )
        self.ids, self.starts, self.settings, self.seed = ids, starts, settings, seed
        self.drawn = len(starts) if settings.per_epoch is None else min(settings.per_epoch, len(starts))
        self.position, self.epoch = 0, 0
        self.shard(0, 1)

    def shard(self, rank: int, ranks: int) -> None:
        """Keep only the part of each batch that belongs to process `rank` of `ranks`."""
        self.rank, self.ranks = rank, ranks
        self.batch_starts = batch_starts(self.drawn, self.settings.batch, ranks)

    def __len__(self) -> int:
        return len(self.batch_starts) + 1

    def __iter__(self) -> Iterator[Batch]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.starts))[: self.drawn]
        parts = np.split(order, self.batch_starts)
        offsets = np.arange(self.settings.length + 1)[:, None]
        for number in range(self.position, len(self)):
            part = parts[number][self.rank :: self.ranks]
            tokens = self.ids[self.starts[part] + offsets].astype(np.int64)
            self.position = (number + 1) % len(self)
            self.epoch += self.position == 0
            yield torch.from_numpy(tokens[:-1]), torch.from_numpy(tokens[-1:]), True

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position, self.epoch = state["position"], state["epoch"]
