"""Batches of examples that fit in memory, in a new seeded order each epoch."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anamnesis.errors import AnamnesisError

Batch = TypeVar("Batch")


def batch_starts(examples: int, size: int, ranks: int = 1) -> NDArray[np.int64]:
    """The first example of each batch of `size` but the first batch; the last batch holds the rest.

    Each of `ranks` processes takes a part of every batch. If the rest has fewer examples than there are processes, it
    joins the previous batch, so that every process has an example.

    Raises:
        AnamnesisError: a batch has fewer examples than there are processes.
    """
    if ranks > 1 and min(size, examples) < ranks:
        raise AnamnesisError(f"trainer.devices: {ranks} processes for batches of {min(size, examples)}; allowed: fewer")
    result = np.arange(size, examples, size)
    return result[:-1] if len(result) and examples - result[-1] < ranks else result


class Batches(Generic[Batch]):
    """Iterates over batches from `position` on, so that a loader restored inside an epoch continues there.

    Args:
        pick: returns the batch of the examples with these numbers, (batch,) int64 on the CPU.
        examples: the number of examples; the last batch of an epoch holds the rest.
        size: examples in a batch.
        seed: seed of the order, which changes every epoch; None: the order of the examples.
    """

    def __init__(self, pick: Callable[[Tensor], Batch], examples: int, size: int, seed: int | None) -> None:
        self.pick, self.examples, self.size, self.seed = pick, examples, size, seed
        self.position, self.epoch = 0, 0
        self.shard(0, 1)

    def shard(self, rank: int, ranks: int) -> None:
        """Iterate from now on over the part of each batch that belongs to process `rank` of `ranks`."""
        self.rank, self.ranks = rank, ranks
        self.starts = batch_starts(self.examples, self.size, ranks)

    def __len__(self) -> int:
        return len(self.starts) + 1 if self.examples else 0

    def __iter__(self) -> Iterator[Batch]:
        order = np.arange(self.examples)
        if self.seed is not None:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        parts: list[NDArray[Any]] = np.split(order, self.starts)
        for number in range(self.position, len(self)):
            rows = torch.from_numpy(parts[number][self.rank :: self.ranks])
            # Back at 0 with the last batch, because a trainer that knows the length does not ask for another one.
            self.position = (number + 1) % len(self)
            self.epoch += self.position == 0
            yield self.pick(rows)

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position, self.epoch = state["position"], state["epoch"]
