"""The two probes of recall at a known lag, drawn from seeds: the copy task and the adding problem."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

Probe = Literal["copy", "adding"]
PROBES: tuple[Probe, ...] = ("copy", "adding")
SPLITS = ("train", "valid", "test")

# Input ids of the copy task that are no symbols.
BLANK, CUE = 0, 1
CONTROLS = 2


class Sequences:
    """An endless supply of sequences of one probe at one lag.

    The splits are drawn from independent streams of random numbers, which depend on seed, probe, lag and split.
    A sequence may repeat by chance where few different ones exist.

    Args:
        probe: "copy" or "adding".
        lag: in steps, as `copy` and `adding` define it.
        symbols: number of symbols to copy.
        alphabet: number of different symbols.
        seed: of one network's whole training.
        split: one of `SPLITS`.
    """

    def __init__(self, probe: Probe, lag: int, symbols: int, alphabet: int, seed: int, split: str) -> None:
        self.probe, self.lag, self.symbols, self.alphabet = probe, lag, symbols, alphabet
        self.random = np.random.default_rng([seed, PROBES.index(probe), lag, SPLITS.index(split)])

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """The next `count` sequences: inputs and answers, as `copy` or `adding` returns them."""
        if self.probe == "copy":
            return copy(self.random, count, self.lag, self.symbols, self.alphabet)
        return adding(self.random, count, self.lag)


def copy(random: np.random.Generator, count: int, lag: int, symbols: int, alphabet: int) -> tuple[Tensor, Tensor]:
    """Sequences of the copy task (Hochreiter and Schmidhuber 1997; Arjovsky et al. 2016, section 4.1) with a cue.

    With 3 symbols and a lag of 5; `_` is the blank, `>` the cue:

        input   b a d _ _ _ _ _ > _ _
        answer                  b a d

    The answer to each symbol comes lag + symbols steps after it; a random guess is right with probability 1/alphabet.

    Args:
        lag: blank steps between the last symbol and the cue.

    Returns:
        Inputs (lag + 2 * symbols, count), int64: 0 blank, 1 cue, symbols from 2 on. Answers (symbols, count), int64
        from 0: the symbols, for the last `symbols` steps.
    """
    answers = random.integers(alphabet, size=(symbols, count))
    inputs = np.full((lag + 2 * symbols, count), BLANK)
    inputs[:symbols] = answers + CONTROLS
    inputs[symbols + lag] = CUE
    return torch.from_numpy(inputs), torch.from_numpy(answers)


def adding(random: np.random.Generator, count: int, lag: int) -> tuple[Tensor, Tensor]:
    """Sequences of the adding problem (Hochreiter and Schmidhuber 1997, section 5.4; in the form of Le et al. 2015).

    Each is a sequence of random numbers, one of which is marked in the first half and one in the second; the answer at
    the last step is the sum of both. The constant answer 1 has a mean squared error of 1/6.

    Args:
        lag: steps of the sequence, at least 2.

    Returns:
        Inputs (lag, count, 2): numbers uniform in [0, 1), marks 0 or 1. Answers (1, count): the sums.
    """
    inputs = np.zeros((lag, count, 2), np.float32)
    inputs[:, :, 0] = random.random((lag, count), np.float32)
    marked = np.stack([random.integers(0, lag // 2, count), random.integers(lag // 2, lag, count)])
    columns = np.arange(count)
    inputs[marked, columns, 1] = 1.0
    answers = inputs[marked, columns, 0].sum(axis=0, keepdims=True)
    return torch.from_numpy(inputs), torch.from_numpy(answers)
