"""Batches of windows of word numbers, in a new seeded order each epoch."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Batch = tuple[Tensor, Tensor]
"""Windows (batch, window) and the numbers that follow them (batch,), float32 shares of the number of words."""


class NumberBatches:
    """Iterates over windows; goes on from `position`, so that a loader restored in mid-epoch continues there.

    Args:
        windows: (windows, window + 1), each with its target last.
        words: how many words are numbered; numbers are divided by it.
        batch: windows in a batch.
        seed: of the order; None: the order of the text.
    """

    def __init__(self, windows: NDArray[np.int64], words: int, batch: int, seed: int | None) -> None:
        self.values = torch.from_numpy((windows / words).astype(np.float32))
        self.batch, self.seed = batch, seed
        self.position, self.epoch = 0, 0

    def __len__(self) -> int:
        return -(-len(self.values) // self.batch)

    def __iter__(self) -> Iterator[Batch]:
        order = np.arange(len(self.values))
        if self.seed is not None:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        for number in range(self.position, len(self)):
            part = self.values[order[number * self.batch : (number + 1) * self.batch]]
            # Back at 0 with the last batch: a trainer that knows the length never asks for one more.
            self.position = (number + 1) % len(self)
            self.epoch += self.position == 0
            yield part[:, :-1], part[:, -1]

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position, self.epoch = state["position"], state["epoch"]
