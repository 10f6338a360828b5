"""Measures: functions timed alternately in one run, and the ratio of their times."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROUNDS = 5


@dataclass(frozen=True)
class Result:
    """One line of the table; `goal` is met when `ratio` is at least (or at most) `bound`."""

    what: str
    ours: str
    reference: str
    ratio: float
    bound: float
    at_least: bool

    @property
    def met(self) -> bool:
        return self.ratio >= self.bound if self.at_least else self.ratio <= self.bound


def alternate(
    *functions: Callable[[], object], rounds: int = ROUNDS, budget: float = math.inf, warm: bool = False
) -> list[float]:
    """Median seconds of each function, measured in turns after one unmeasured call of all.

    Args:
        functions: are called one after the other in each turn.
        rounds: number of turns.
        budget: seconds. After the first turn, none begins that would end later if it lasts as long as the one before.
        warm: leave the unmeasured call out: the caller has made others like it.
    """
    times: list[list[float]] = [[] for _ in functions]
    begin = last = time.perf_counter()
    for turn in range(1 if warm else 0, rounds + 1):
        now = time.perf_counter()
        if turn > 1 and now + (now - last) > begin + budget:
            break
        last = now
        for function, seconds in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            if turn:
                seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in times]


def train_epoch(name: str, plan: Any, training: Any, trainer: Any, folder: Path) -> None:
    """Train the network of a plan for one epoch, starting with its present weights.

    Args:
        folder: an empty folder for the checkpoint.
    """
    from anamnesis.training.fit import fit

    # Otherwise the training would resume from the checkpoint of the previous turn.
    (folder / "bench.ckpt").unlink(missing_ok=True)
    fit(name, plan, training.model_copy(update={"epochs": 1}), trainer, folder / "bench.ckpt", lambda row: "")
