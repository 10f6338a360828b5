"""Batches of examples that fit in memory, in a new seeded order each epoch."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

Batch = TypeVar("Batch")


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

    def __len__(self) -> int:
        return -(-self.examples // self.size)

    def __iter__(self) -> Iterator[Batch]:
        order = np.arange(self.examples)
        if self.seed is not None:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        for number in range(self.position, len(self)):
            rows = torch.from_numpy(order[number * self.size : (number + 1) * self.size])
            # Back at 0 with the last batch: a trainer that knows the length never asks for one more.
            self.position = (number + 1) % len(self)
            self.epoch += self.position == 0
            yield self.pick(rows)

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position, self.epoch = state["position"], state["epoch"]
