"""The evaluate stage of a classifier, whatever it reads."""

from pathlib import Path
from typing import Any

from anamnesis.tasks.labels import readers


def evaluate(name: str, experiment: Any, root: Path) -> None:
    """Score models/NAME on its validation and test splits; write metrics/NAME.json and predictions/NAME.

    Args:
        name: the experiment.
        experiment: its settings, of documents or of videos.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or was trained on other data than the store now holds.
    """
    readers.module(experiment.reads, "evaluation").evaluate(name, experiment, root)
