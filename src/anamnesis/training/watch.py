"""Listeners to a training run, such as the live run in MLflow."""

import os
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Protocol

from anamnesis import console
from anamnesis.training.state import checkpoint_folder


class Watch(Protocol):
    """A listener to one training run; it never raises."""

    def begin(self, checkpoint: str, resumed: bool) -> None:
        """Training begins or resumes; `checkpoint` is the key of its checkpoint."""

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


# Lightning's launcher, torchrun and SLURM set some of them before a process does anything.
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")


def leads(experiment: Any) -> bool:
    """Whether this process writes files and logs: it is the only one, or the first of several that train together."""
    trainer = getattr(experiment, "trainer", None)
    if trainer is None or (trainer.devices == 1 and trainer.num_nodes == 1):
        return True
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def watch_training(
    start: StartWatch, name: str, experiment: Any, inputs: str, root: Path, train: Callable[[Watch], dict[str, Any]]
) -> None:
    """Train with a listener: `train(watch)` returns the card of the finished model.

    A process that only helps to train, and leaves `train` by SystemExit, has a silent listener.
    """
    if not leads(experiment):
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            train(_Silent())
        return
    watch = start(name, experiment, inputs, root)
    try:
        card = train(watch)
    except BaseException:
        watch.fail()
        raise
    # In this order, so that the engine always finds either the result or the checkpoint.
    console.outputs_are_complete()
    shutil.rmtree(checkpoint_folder(root, name), ignore_errors=True)
    watch.finish(card["fingerprint"])


class _Silent:
    """A listener that does nothing."""

    def begin(self, checkpoint: str, resumed: bool) -> None: ...

    def log(self, metrics: dict[str, float], step: int) -> None: ...

    def sample(self, text: str, step: int) -> None: ...

    def finish(self, fingerprint: str) -> None: ...

    def fail(self) -> None: ...
