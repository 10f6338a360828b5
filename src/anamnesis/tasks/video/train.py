"""The train stage of a classifier of films: from images and settings to a model folder."""

from pathlib import Path
from typing import Any

from anamnesis.tasks.video.settings import Experiment
from anamnesis.training import saved as folders
from anamnesis.training.watch import StartWatch, Watch, watched


def train(name: str, experiment: Experiment, root: Path, start: StartWatch) -> None:
    """Train one experiment and write models/NAME; an interrupted training goes on from its last checkpoint.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.
        start: opens a listener to the run.

    Raises:
        AnamnesisError: the loss is NaN or infinite, the token store holds no images, or a split lacks a digit.
    """
    inputs = folders.inputs_digest(experiment, root / "data" / "tokens" / experiment.tokens)
    watched(start, name, experiment, inputs, root, lambda watch: _train(name, experiment, root, inputs, watch))


def _train(name: str, experiment: Experiment, root: Path, inputs: str, watch: Watch) -> dict[str, Any]:
    import torch

    from anamnesis.data.stores.store import read_stats
    from anamnesis.tasks.labels.module import Batch, ClassificationModule
    from anamnesis.tasks.video import saved
    from anamnesis.tasks.video.classifier import BATCH
    from anamnesis.tasks.video.films import PARTS, open_films
    from anamnesis.tasks.video.network import FilmNetwork
    from anamnesis.training.batches import Batches
    from anamnesis.training.fit import seed
    from anamnesis.training.stage import train_network

    torch.set_num_threads(1)
    store = root / "data" / "tokens" / experiment.tokens

    def batches(split: str, size: int, order: int | None) -> Batches[Batch]:
        made = open_films(store, split, experiment.films)
        films, labels = torch.from_numpy(made.films), torch.from_numpy(made.labels)
        return Batches(lambda rows: (films[rows], labels[rows]), len(made), size, order)

    train = batches("train", experiment.batch, experiment.seed)
    valid = batches("valid", BATCH, None)
    seed(experiment.seed)
    network = FilmNetwork(experiment.model, experiment.films.size, PARTS)
    stats = read_stats(store)
    return train_network(
        name,
        experiment,
        root,
        stats,
        inputs,
        watch,
        ClassificationModule(network, experiment.training, len(train)),
        train,
        valid,
        headline="valid_accuracy",
        epoch=("films", train.examples),
        entries=saved.entries(stats),
    )
