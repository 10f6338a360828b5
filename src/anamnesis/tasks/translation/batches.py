"""Pairs of sentences as padded batches of about the same length, in a new seeded order each epoch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anamnesis.data.stores.pairs import open_pairs
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation.sides import Side

# Source tokens by which neighbours may differ, so that other pairs meet in each epoch.
JITTER = 1.0

Ids = NDArray[np.int64]


class Batch(NamedTuple):
    """Pairs side by side, for teacher forcing.

        source   we  go  </s>      inputs   <s> wij gaan      targets   wij gaan </s>
                 yes </s>  .                <s> ja    .                 ja  </s>
                                                              places in the flat (time x batch) order of the targets:
                                                              0 1 2 3 4, the padding left out

    Attributes:
        source: (source time, batch), int64, each column ends with the end token, padded behind it with it.
        lengths: real source tokens of each column, (batch,), int64; stays on the CPU, where packing needs it.
        inputs: what the decoder reads, (target time, batch), int64.
        places: numbers of the real targets among all (target time x batch) places, (tokens,), int64.
        targets: the tokens at these places, (tokens,), int64.
    """

    source: Tensor
    lengths: Ids
    inputs: Tensor
    places: Tensor
    targets: Tensor


def padded(sentences: Sequence[Ids], fill: int) -> Ids:
    """Sentences (tokens,) as the columns of (longest, sentences), `fill` behind their ends."""
    result = np.full((max(map(len, sentences)), len(sentences)), fill, np.int64)
    for column, sentence in enumerate(sentences):
        result[: len(sentence), column] = sentence
    return result


def collate(sources: Sequence[Ids], targets: Sequence[Ids], start: int) -> Batch:
    """A batch of sources and targets, each (tokens,) with the end token as its last; `start` begins the inputs."""
    lengths = np.array([len(source) for source in sources])
    written = padded(targets, -1)
    places = np.flatnonzero(written.ravel() >= 0)
    inputs = np.vstack([np.full((1, len(targets)), start), np.where(written[:-1] < 0, start, written[:-1])])
    arrays = (inputs, places, written.ravel()[places])
    return Batch(torch.from_numpy(padded(sources, sources[0][-1])), lengths, *map(torch.from_numpy, arrays))


def pair_ids(store: Path, split: str, source: Side, target: Side) -> tuple[list[Ids], list[Ids]]:
    """The ids of the sources and the targets of a split, each (tokens,), the end token last.

    Raises:
        AnamnesisError: a file of the token store is missing or damaged.
    """
    pairs = open_pairs(store, split)
    return tuple(  # type: ignore[return-value]
        [np.append(side[number], language.end).astype(np.int64) for number in range(len(pairs))]
        for side, language in ((pairs.source, source), (pairs.target, target))
    )


class PairBatches:
    """Iterates over pairs; goes on from `position`, so that a loader restored in mid-epoch continues there.

    Pairs are sorted by the length of their target, equally long ones roughly by that of their source and otherwise
    anew in each epoch, and cut into batches of as many pairs as fit, which come in a random order. So each pair is in
    one batch of every epoch, and every epoch has the same number of batches.

    Args:
        sources: each (tokens,), the end token last.
        targets: likewise; as many.
        start: the decoder's first input.
        tokens: target tokens in a batch, padding included, at most; a longer sentence is a batch of its own.
        seed: of the order; None: always the same.
    """

    def __init__(
        self, sources: Sequence[Ids], targets: Sequence[Ids], start: int, tokens: int, seed: int | None
    ) -> None:
        self.sources, self.targets, self.start, self.seed = sources, targets, start, seed
        self.source_lengths = np.array([len(source) for source in sources])
        self.target_lengths = np.array([len(target) for target in targets])
        self.tokens, self.position, self.epoch = tokens, 0, 0
        self.shard(0, 1)

    def shard(self, rank: int, ranks: int) -> None:
        """From now on, only the part of each batch that process `rank` of `ranks` takes.

        A batch of fewer pairs than processes joins a neighbour, so that no process goes without.

        Raises:
            AnamnesisError: there are fewer pairs than processes.
        """
        self.rank, self.ranks, self.cuts = rank, ranks, _cuts(np.sort(self.target_lengths), self.tokens, ranks)

    def __len__(self) -> int:
        return len(self.cuts) + 1

    def __iter__(self) -> Iterator[Batch]:
        groups = self._groups()
        for number in range(self.position, len(groups)):
            group = groups[number][self.rank :: self.ranks]
            # Back at 0 with the last batch: a trainer that knows the length never asks for one more.
            self.position = (number + 1) % len(groups)
            self.epoch += self.position == 0
            yield collate(
                [self.sources[index] for index in group], [self.targets[index] for index in group], self.start
            )

    def _groups(self) -> list[Ids]:
        """The pairs of each batch of this epoch."""
        if self.seed is None:
            return np.split(np.lexsort((self.source_lengths, self.target_lengths)), self.cuts)
        random = np.random.default_rng((self.seed, self.epoch))
        nearly = self.source_lengths + random.uniform(0, JITTER, len(self.source_lengths))
        groups = np.split(np.lexsort((nearly, self.target_lengths)), self.cuts)
        return [groups[index] for index in random.permutation(len(groups))]

    def padding(self) -> tuple[float, float]:
        """The shares of the source and the target places of an epoch that are padding."""
        groups = self._groups()
        source, target = (
            1 - lengths.sum() / sum(lengths[group].max() * len(group) for group in groups)
            for lengths in (self.source_lengths, self.target_lengths)
        )
        return float(source), float(target)

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position, self.epoch = state["position"], state["epoch"]


def _cuts(lengths: Ids, tokens: int, least: int) -> list[int]:
    """Where sorted lengths are cut: a part has at most `tokens`, its longest times its size, or `least` sentences.

    Raises:
        AnamnesisError: there are fewer than `least`.
    """
    if len(lengths) < least:
        raise AnamnesisError(f"trainer.devices: {least} processes for {len(lengths)} pairs; allowed: fewer")
    cuts, first = [], 0
    for index, length in enumerate(lengths.tolist()):
        if index - first >= least and length * (index - first + 1) > tokens:
            cuts.append(index)
            first = index
    return cuts[:-1] if cuts and len(lengths) - cuts[-1] < least else cuts
