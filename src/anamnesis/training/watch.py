"""What a training run tells about itself while it runs, whoever listens."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol


class Watch(Protocol):
    """A listener to one training run; it never raises."""

    def log(self, metrics: dict[str, float], step: int) -> None:
        """Metrics of epoch `step`."""

    def sample(self, text: str, step: int) -> None:
        """Text generated after epoch `step`."""

    def finish(self, fingerprint: str) -> None:
        """The model is stored, under this fingerprint."""

    def fail(self) -> None:
        """The run ends without a model."""


StartWatch = Callable[[str, Any, str, Path], Watch]
"""(experiment's name, its settings, digest of the inputs, project folder) -> the listener."""


def watched(
    start: StartWatch, name: str, experiment: Any, inputs: str, root: Path, train: Callable[[Watch], dict[str, Any]]
) -> None:
    """Train under a listener, which hears how it ended: `train(watch)` returns the card of the finished model."""
    watch = start(name, experiment, inputs, root)
    try:
        card = train(watch)
    except BaseException:
        watch.fail()
        raise
    watch.finish(card["fingerprint"])
