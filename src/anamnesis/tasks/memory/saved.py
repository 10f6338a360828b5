"""A memory experiment's model folder: the small language model before and after training, and all that recall."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from anamnesis import models as folders
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.memory.settings import Cell, Experiment

if TYPE_CHECKING:
    from torch import Tensor

    from anamnesis.tasks.memory.network import ProbeNetwork
    from anamnesis.tasks.memory.recall import Place

Weight = TypeVar("Weight")
TOKENIZER, CLIPPING = "tokenizer.json", "clipping.csv"


@dataclass(frozen=True)
class MemoryModel:
    """What `load` gives.

    Attributes:
        card: content of model.json.
        experiment: its settings.
        initial: the next-token model as it started.
        trained: the same after its training.
        recall: the network of each task and seed at each lag that was tried, with the optimiser steps it took.
    """

    card: dict[str, Any]
    experiment: Experiment
    initial: "ProbeNetwork"
    trained: "ProbeNetwork"
    recall: "dict[Place, tuple[ProbeNetwork, int]]"


def new_card(
    name: str,
    experiment: Experiment,
    stats: dict[str, Any],
    cell: Cell,
    parameters: int,
    inputs: str,
    trained: list[dict[str, Any]],
) -> dict[str, Any]:
    """The card of networks just trained, without what `save` adds.

    Args:
        stats: content of the token store's stats.json.
        cell: the cell with its sizes.
        parameters: how many its recurrent layers have.
        inputs: `training.saved.inputs_digest` of the training.
        trained: probe, seed, lag and optimiser steps of each network that was trained for recall.
    """
    return {
        **folders.new_card(name, experiment, stats, parameters, None, inputs),
        "vocabulary_size": stats["vocabulary_size"],
        "allowed_parameters": experiment.parameters,
        "parameters": parameters,
        "hidden": cell.hidden,
        "trained": trained,
    }


def save(
    folder: Path, weights: "Mapping[str, Tensor]", card: dict[str, Any], store: Path, clipping: str
) -> dict[str, Any]:
    """Write all networks into `folder`, with the store's tokenizer and clipping.csv; the card, as it came to be."""
    arrays = {name: value.numpy() for name, value in weights.items()}
    more = {TOKENIZER: (store / TOKENIZER).read_bytes(), CLIPPING: clipping.encode()}
    return folders.save(folder, arrays, card, more)


def load(folder: Path) -> MemoryModel:
    """Read all networks, after checking every file against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or the arrays do not fit the card.
    """
    from anamnesis.tasks.memory.network import recall_network, text_network
    from anamnesis.tasks.memory.recall import Place

    card, weights = folders.read(folder)
    try:
        settings = {name: card[name] for name in Experiment.model_fields if name in card}
        experiment = Experiment.model_validate({**settings, "parameters": card["allowed_parameters"]})
        cell = experiment.model.sized(card["hidden"])
        initial, trained = (
            folders.network(
                folder,
                lambda: text_network(cell, experiment.features, card["vocabulary_size"]),
                part(weights, f"text.{when}"),
            )
            for when in ("initial", "trained")
        )
        recall = {}
        for each in card["trained"]:
            place = Place(each["probe"], each["seed"], each["lag"])
            kept = part(weights, key(place.probe, place.seed, place.lag))
            network = folders.network(folder, partial(recall_network, place.probe, cell, experiment), kept)
            recall[place] = (network, int(each["steps"]))
    except (ValidationError, KeyError, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AnamnesisError(f"{folder}: card and weights are not those of a memory experiment: {reason}") from None
    return MemoryModel(card, experiment, initial, trained, recall)


def key(probe: str, seed: int, lag: int) -> str:
    """What stands before the '/' in the names of one recalling network's weights."""
    return f"{probe}.{seed}.{lag}"


def part(weights: Mapping[str, Weight], before: str) -> dict[str, Weight]:
    """The weights of one network, by their names in it."""
    return {name.removeprefix(f"{before}/"): value for name, value in weights.items() if name.startswith(f"{before}/")}
