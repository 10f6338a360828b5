"""Pairs of sentences in padded batches of similar lengths, in a new seeded order each epoch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anamnesis.data.stores.pairs import open_pairs
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation.model.languages import Language

# Noise on the source lengths by which pairs are sorted, in tokens, so that each epoch has other batches.
JITTER = 1.0
# A batch of fixed shape has a multiple of so many source steps.
SOURCE_STEPS = 4
# Target tokens in a validation batch: nothing is learned from them, so the size changes the time only.
VALID_TOKENS = 1500

Ids = NDArray[np.int64]


class Batch(NamedTuple):
    """Pairs as columns of padded arrays, for teacher forcing.

        source     we   yes        inputs     <s>  <s>        targets     wij  ja          places      0    1
                   go   </s>                  wij  ja                     gaan </s>                    2    3
                   </s> -                     gaan -                      </s> -                       4    -

    Attributes:
        source: each column is a sentence, its end token last, and padding: (source time, batch), int64.
        lengths: source tokens of each column without padding, (batch,), int64; a NumPy array stays on the CPU, where
            packing needs it, a tensor is for batches that are not packed.
        inputs: the decoder's inputs, (target time, batch), int64.
        places: index of each target in the flattened (target time * batch) array, without padding: (tokens,), int64.
        targets: the tokens at these places, (tokens,), int64.
    """

    source: Tensor
    lengths: Ids | Tensor
    inputs: Tensor
    places: Tensor
    targets: Tensor


def pad_columns(sentences: Sequence[Ids], fill: int) -> Ids:
    """Sentences, each (tokens,), as the columns of an array (longest, sentences), padded with `fill`."""
    result = np.full((max(map(len, sentences)), len(sentences)), fill, np.int64)
    for column, sentence in enumerate(sentences):
        result[: len(sentence), column] = sentence
    return result


def collate(sources: Sequence[Ids], targets: Sequence[Ids], start: int) -> Batch:
    """The batch of some pairs.

    Args:
        sources, targets: ids of each sentence, (tokens,), the end token last.
        start: the decoder's first input.
    """
    lengths = np.array([len(source) for source in sources])
    written = pad_columns(targets, -1)
    places = np.flatnonzero(written.ravel() >= 0)
    inputs = np.vstack([np.full((1, len(targets)), start), np.where(written[:-1] < 0, start, written[:-1])])
    arrays = (inputs, places, written.ravel()[places])
    return Batch(torch.from_numpy(pad_columns(sources, sources[0][-1])), lengths, *map(torch.from_numpy, arrays))


def pad_to_fixed_shape(batch: Batch) -> Batch:
    """The batch with more padding, so that many batches have its shape, and with lengths for a batch without packing.

    The target side and the number of columns repeat as they are: batches hold targets of equal lengths, as many as fit.
    """
    more = -len(batch.source) % SOURCE_STEPS
    source = torch.nn.functional.pad(batch.source, (0, 0, 0, more), value=int(batch.source[-1, 0]))
    return batch._replace(source=source, lengths=torch.as_tensor(batch.lengths))


def pair_ids(store: Path, split: str, source: Language, target: Language) -> tuple[list[Ids], list[Ids]]:
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
    """Iterates over batches of pairs, from `position` on, so that a loader restored in mid-epoch continues there.

    Pairs are sorted by the length of their targets, then by the length of their sources plus noise, which is drawn anew
    in each epoch. They are cut into batches of as many pairs as fit, and the batches come in a random order. So each
    pair is in one batch of every epoch, and every epoch has the same number of batches.

    Args:
        sources, targets: ids of each sentence, (tokens,), the end token last; as many sources as targets.
        start: the decoder's first input.
        tokens: target tokens in a batch, padding included, at most; a longer sentence is a batch of its own.
        seed: seed of the order; None: no noise, and the batches come in the order of lengths.
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
        """Iterate only over the part of each batch that process `rank` of `ranks` takes.

        A batch of fewer pairs than processes joins a neighbour, so that each process has a part.

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
            # The position is 0 with the last batch: a trainer that knows the length never asks for one more.
            self.position = (number + 1) % len(groups)
            self.epoch += self.position == 0
            yield collate(
                [self.sources[index] for index in group], [self.targets[index] for index in group], self.start
            )

    def _groups(self) -> list[Ids]:
        """The numbers of the pairs in each batch of this epoch."""
        if self.seed is None:
            return np.split(np.lexsort((self.source_lengths, self.target_lengths)), self.cuts)
        random = np.random.default_rng((self.seed, self.epoch))
        noisy = self.source_lengths + random.uniform(0, JITTER, len(self.source_lengths))
        groups = np.split(np.lexsort((noisy, self.target_lengths)), self.cuts)
        return [groups[index] for index in random.permutation(len(groups))]

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position, self.epoch = state["position"], state["epoch"]


def _cuts(lengths: Ids, tokens: int, least: int) -> list[int]:
    """Where sorted sentences are cut into batches.

    A batch has at most `tokens` tokens, its longest sentence times its size, unless it has only `least` sentences.

    Args:
        lengths: tokens of each sentence, in ascending order, (sentences,).

    Returns:
        The number of the first sentence of each batch but the first.

    Raises:
        AnamnesisError: there are fewer than `least` sentences.
    """
    if len(lengths) < least:
        raise AnamnesisError(f"trainer.devices: {least} processes for {len(lengths)} pairs; allowed: fewer")
    cuts, first = [], 0
    for index, length in enumerate(lengths.tolist()):
        if index - first >= least and length * (index - first + 1) > tokens:
            cuts.append(index)
            first = index
    return cuts[:-1] if cuts and len(lengths) - cuts[-1] < least else cuts
