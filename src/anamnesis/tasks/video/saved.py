"""The folder of a classifier of films: see `training.saved`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.video.classifier import Classifier
from anamnesis.tasks.video.films import CLASSES, PARTS
from anamnesis.tasks.video.network import FilmNetwork
from anamnesis.tasks.video.settings import Experiment
from anamnesis.training import saved


def load(folder: Path) -> Classifier:
    """Read a classifier, after checking every file against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or the arrays do not fit the card; the line names it.
    """
    card, weights = saved.read(folder)
    try:
        experiment = Experiment.model_validate({key: card.get(key) for key in Experiment.model_fields})
        if card.get("labels") != CLASSES:
            raise ValueError
    except (ValidationError, ValueError):
        raise AnamnesisError(f"{folder}: not a model that tells what films show") from None
    size = experiment.films.size
    network = saved.network(folder, lambda: FilmNetwork(experiment.model, size, PARTS), weights)
    return Classifier(card, size, network)


def entries(stats: Mapping[str, Any]) -> dict[str, Any]:
    """What the card says besides: the labels, and what tells whether the model fits a token store.

    Args:
        stats: content of the token store's stats.json.
    """
    return {"labels": CLASSES, "train_text_sha256": stats["splits"]["train"]["text_sha256"]}
