"""Batches of examples that fit in memory, in a new seeded order each epoch."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anamnesis.errors import AnamnesisError

Batch = TypeVar("Batch")


def cuts(examples: int, size: int, ranks: int = 1) -> NDArray[np.int64]:
    """Where a row of examples is cut into batches of `size`, the last one holding what is left.

    Each of `ranks` processes takes its part of every batch. Where fewer examples are left than processes, they join the
    batch before, so that no process goes without. The result has the first example of each batch but the first.

    Raises:
        AnamnesisError: a batch has no example for each process.
    """
    if ranks > 1 and min(size, examples) < ranks:
        raise AnamnesisError(f"trainer.devices: {ranks} processes for batches of {min(size, examples)}; allowed: fewer")
    result = np.arange(size, examples, size)
    return result[:-1] if len(result) and examples - result[-1] < ranks else result


class Batches(Generic[Batch]):
    """Iterates over examples; goes on from `position`, so that a loader restored in mid-epoch continues there.

    Args:
        pick: makes a batch of the examples with these numbers, (batch,) int64 on the CPU.
        examples: how many there are; the last batch of an epoch holds what is left.
        size: examples in a batch.
        seed: of the order, a new one each epoch; None: as they come.
    """

    def __init__(self, pick: Callable[[Tensor], Batch], examples: int, size: int, seed: int | None) -> None:
        self.pick, self.examples, self.size, self.seed = pick, examples, size, seed
        self.position, self.epoch = 0, 0
        self.shard(0, 1)

    def shard(self, rank: int, ranks: int) -> None:
        """From now on, only the part of each batch that process `rank` of `ranks` takes."""
        self.rank, self.ranks, self.cuts = rank, ranks, cuts(self.examples, self.size, ranks)

    def __len__(self) -> int:
        return len(self.cuts) + 1 if self.examples else 0

    def __iter__(self) -> Iterator[Batch]:
        order = np.arange(self.examples)
        if self.seed is not None:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        parts: list[NDArray[Any]] = np.split(order, self.cuts)
        for number in range(self.position, len(self)):
            rows = torch.from_numpy(parts[number][self.rank :: self.ranks])
            # Back at 0 with the last batch: a trainer that knows the length never asks for one more.
            self.position = (number + 1) % len(self)
            self.epoch += self.position == 0
            yield self.pick(rows)

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position, self.epoch = state["position"], state["epoch"]
