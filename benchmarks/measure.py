"""Timing of functions that take turns in one run, and the results of benchmarks."""

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
    """One line of the table.

    Attributes:
        what: the name of the measurement.
        ours: our value, with its unit.
        reference: the value of the reference, with its unit.
        ratio: the number to compare with `bound`.
        bound: the goal.
        at_least: whether `ratio` should be at least `bound`, or at most.
    """

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
    """Median seconds of each function. The functions take turns, after one call of each that is not measured.

    Args:
        functions: called one after the other in each turn.
        rounds: the number of turns.
        budget: seconds; a turn after the first starts only if it would end in time, judged by the previous one.
        warm: skip the call that is not measured.
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
    """Train the network of a plan for one epoch, starting from its current weights.

    Args:
        folder: an empty folder for the checkpoint.
    """
    from anamnesis.training.fit import fit

    # Without a checkpoint, training does not resume from the previous turn.
    (folder / "bench.ckpt").unlink(missing_ok=True)
    fit(name, plan, training.model_copy(update={"epochs": 1}), trainer, folder / "bench.ckpt", lambda row: "")
