"""A listener to a training run, for tests that check or interrupt it."""

from collections.abc import Callable
from typing import Any


class Recorder:
    """Stores the calls of a training; `at` is called with each epoch that is logged.

    Attributes:
        rows: metrics by epoch.
        samples: texts in the order of their epochs.
        ended: the fingerprint of the finished model, or "failed".
    """

    def __init__(self, at: Callable[[int], object] = lambda epoch: None) -> None:
        self.at, self.rows, self.samples, self.ended = at, {}, [], ""

    def __call__(self, *arguments: Any) -> "Recorder":
        return self

    def begin(self, checkpoint: str, resumed: bool) -> None:
        self.resumed = resumed

    def log(self, metrics: dict[str, float], step: int) -> None:
        self.rows[step] = metrics
        self.at(step)

    def sample(self, text: str, step: int) -> None:
        self.samples.append(text)

    def finish(self, fingerprint: str) -> None:
        self.ended = fingerprint

    def fail(self) -> None:
        self.ended = "failed"


def interrupt(last: int) -> Callable[[int], None]:
    """Ends the run after epoch `last` as Ctrl-C would."""

    def at(epoch: int) -> None:
        if epoch == last:
            raise KeyboardInterrupt

    return at
