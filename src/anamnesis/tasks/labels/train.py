"""The train stage of a classifier, whatever it reads."""

from pathlib import Path
from typing import Any

from anamnesis.tasks.labels import readers
from anamnesis.training.watch import StartWatch


def train(name: str, experiment: Any, root: Path, start: StartWatch) -> None:
    """Train one experiment and write models/NAME; an interrupted training goes on from its last checkpoint.

    Args:
        name: the experiment.
        experiment: its settings, of documents or of videos.
        root: the project's folder.
        start: opens a listener to the run.

    Raises:
        AnamnesisError: the loss is NaN or infinite, or the settings do not fit the data.
    """
    readers.module(experiment.reads, "train").train(name, experiment, root, start)
