"""Batches of sentences of about the same length, in a new seeded order each epoch."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anamnesis.tasks.cloze.model.blanks import blank_places
from anamnesis.training.batches import batch_starts

# A pool of sentences, sorted by length, is cut into this many batches: enough to pad little, few enough to mix well.
POOL = 16


class Batch(NamedTuple):
    """Sentences side by side, and their blanks.

    Attributes:
        ids: (time, batch), int64, from `<s>` to `</s>`, padded behind it with any id.
        lengths: tokens of each sentence, (batch,), int64.
        times: the time steps of the blanks, (blanks,), int64, each from 1 to its sentence's length - 2.
        columns: the sentences of the blanks, (blanks,), int64.
    """

    ids: Tensor
    lengths: Tensor
    times: Tensor
    columns: Tensor


def collate(sentences: Sequence[NDArray[np.int64]], places: Sequence[NDArray[np.int64]]) -> Batch:
    """A batch of sentences (tokens,), each with the places (blanks,) of its blanks in ascending order."""
    lengths = np.array([len(sentence) for sentence in sentences])
    ids = np.zeros((lengths.max(), len(sentences)), np.int64)
    for column, sentence in enumerate(sentences):
        ids[: len(sentence), column] = sentence
    columns = np.repeat(np.arange(len(sentences)), [len(blanks) for blanks in places])
    arrays = (ids, lengths, np.concatenate(places), columns)
    return Batch(*(torch.from_numpy(array) for array in arrays))


class SentenceBatches:
    """Iterates over sentences that have a blank, from `position` on; a restored loader continues in mid-epoch.

    Args:
        sentences: each (tokens,), from `<s>` to `</s>`.
        candidates: for each token (vocabulary,) whether it can be a blank; every such place is predicted.
        batch: sentences in a batch.
        seed: of the order; None: sorted by length.
    """

    def __init__(
        self, sentences: Sequence[NDArray[np.int64]], candidates: NDArray[np.bool_], batch: int, seed: int | None
    ) -> None:
        self.sentences = [sentence for sentence in sentences if candidates[sentence].any()]
        self.places = [blank_places(sentence, candidates) for sentence in self.sentences]
        self.lengths = np.array([len(sentence) for sentence in self.sentences])
        self.batch, self.seed = batch, seed
        self.position, self.epoch = 0, 0
        self.shard(0, 1)

    def shard(self, rank: int, ranks: int) -> None:
        """Iterate only over the part of each batch that process `rank` of `ranks` takes."""
        self.rank, self.ranks = rank, ranks
        self.starts = batch_starts(len(self.sentences), self.batch, ranks)

    def __len__(self) -> int:
        return len(self.starts) + 1 if self.sentences else 0

    def __iter__(self) -> Iterator[Batch]:
        groups = self._groups()
        for number in range(self.position, len(groups)):
            group = groups[number][self.rank :: self.ranks]
            # Back at 0 with the last batch, because a trainer that knows the length asks for no batch after it.
            self.position = (number + 1) % len(groups)
            self.epoch += self.position == 0
            yield collate([self.sentences[index] for index in group], [self.places[index] for index in group])

    def _groups(self) -> list[NDArray[np.int64]]:
        """The sentences of each batch of this epoch."""
        if self.seed is None:
            return np.split(np.argsort(self.lengths, kind="stable"), self.starts)
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(len(self.sentences))
        for first in range(0, len(order), POOL * self.batch):
            pool = order[first : first + POOL * self.batch]
            order[first : first + len(pool)] = pool[np.argsort(self.lengths[pool], kind="stable")]
        groups = np.split(order, self.starts)
        return [groups[index] for index in random.permutation(len(groups))]

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position, self.epoch = state["position"], state["epoch"]
