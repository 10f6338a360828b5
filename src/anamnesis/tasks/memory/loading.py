"""A trained memory experiment: the language model before and after its training, and all recall networks."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from anamnesis import models
from anamnesis.errors import AnamnesisError
from anamnesis.models import ModelFolder
from anamnesis.tasks.memory.model.network import ProbeNetwork, recall_network, text_network
from anamnesis.tasks.memory.model.parts import CLIPPING
from anamnesis.tasks.memory.model.recall import Trial, weights_of


@dataclass(frozen=True)
class MemoryModel:
    """The networks of a memory experiment.

    Attributes:
        card: the model's card.
        clipping: content of clipping.csv.
        initial: the language model before its training.
        trained: the same after its training.
        recall: the network of each trial, with the number of optimiser steps that the trial took.
    """

    card: dict[str, Any]
    clipping: bytes
    initial: ProbeNetwork
    trained: ProbeNetwork
    recall: dict[Trial, tuple[ProbeNetwork, int]]


def load(found: ModelFolder) -> MemoryModel:
    """The networks of a model folder.

    Raises:
        AnamnesisError: the card or the arrays are not those of a memory experiment.
    """
    folder, card, experiment = found.folder, found.card, found.experiment
    try:
        cell = experiment.model.with_hidden(card["hidden"])
        initial, trained = (
            models.load_network(
                folder,
                lambda: text_network(cell, experiment.features, card["vocabulary_size"]),
                weights_of(f"text.{when}", found.weights),
            )
            for when in ("initial", "trained")
        )
        recall = {}
        for each in card["trained"]:
            trial = Trial(each["probe"], each["seed"], each["lag"])
            network = models.load_network(
                folder,
                partial(recall_network, trial.probe, cell, experiment),
                weights_of(trial.key, found.weights),
            )
            recall[trial] = (network, int(each["steps"]))
        clipping = models.read_bytes(folder / CLIPPING)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AnamnesisError(f"{folder}: model.json: not the card of a memory experiment: {reason}") from None
    return MemoryModel(card, clipping, initial, trained, recall)
