"""The train stage of a regression on word numbers: from token store and settings to a model folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console
from anamnesis import models as saved
from anamnesis.tasks.numbers import numbering
from anamnesis.tasks.numbers import saved as folders
from anamnesis.tasks.numbers.network import ConnectedModel, MeanModel, new_network, spelled, written
from anamnesis.tasks.numbers.settings import Connected, Experiment
from anamnesis.training.watch import StartWatch, Watch, watched

if TYPE_CHECKING:
    from anamnesis.data.tokenizers.base import Tokenizer

# This slice and the helpers it takes from the language slice: an edit there starts the training anew.


def train(name: str, experiment: Experiment, root: Path, start: StartWatch) -> None:
    """Train one experiment and write models/NAME; an interrupted training goes on from its last checkpoint.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.
        start: opens a listener to the run.

    Raises:
        AnamnesisError: the loss is NaN or infinite, or the settings do not fit the data.
    """
    store = root / "data" / "tokens" / experiment.tokens
    inputs = saved.inputs_digest(experiment, store)
    watched(start, name, experiment, inputs, root, lambda watch: _train(name, experiment, root, store, inputs, watch))


def _train(name: str, experiment: Experiment, root: Path, store: Path, inputs: str, watch: Watch) -> dict[str, Any]:
    from anamnesis.data.stores.store import open_split, read_stats
    from anamnesis.data.tokenizers import tokenizer

    stats, vocabulary = read_stats(store), tokenizer.load(store / folders.TOKENIZER)
    ids = np.asarray(open_split(store, "train"))
    words = numbering.first_appearance(ids, vocabulary)
    row = numbering.numbers(ids, words, vocabulary)
    windows = numbering.windows(row, experiment.model.window)
    held_out = numbering.numbers(np.asarray(open_split(store, "valid")), words, vocabulary)
    valid = numbering.windows(held_out, experiment.model.window)
    asked, mean = numbering.targets(held_out, experiment.model.window), numbering.mean(row)
    misses = np.square(asked.numbers - mean)
    more = {folders.TOKENIZER: saved.read_bytes(store / folders.TOKENIZER)}
    if isinstance(experiment.model, Connected):
        unread = misses[~asked.whole]
        fallback = float(unread.sum()), len(unread)
        return _train_network(
            name,
            experiment,
            experiment.model,
            root,
            stats,
            inputs,
            watch,
            windows,
            valid,
            fallback,
            vocabulary,
            words,
            more,
        )
    errors = {
        "epoch": 0,
        "learning_rate": 0.0,
        "train_rmse": float(np.sqrt(np.square(windows[:, -1] - mean).mean())),
        "valid_rmse": float(np.sqrt(misses.mean())),
    }
    floor = MeanModel({}, vocabulary, words, mean)
    sample = ("after counting", spelled(floor, written(floor, valid[0, :-1], experiment.length)))
    card = saved.new_card(name, experiment, stats, 1, None, inputs)
    weights = {"words": words, "mean": np.array([mean])}
    card = saved.store(root, name, weights, card, more, [errors], [sample])
    console.summary(
        "train",
        name,
        f"1 parameter, {len(words):,} numbered words, valid rmse {errors['valid_rmse']:.4g} word numbers",
    )
    return card


def _train_network(
    name: str,
    experiment: Experiment,
    model: Connected,
    root: Path,
    stats: dict[str, Any],
    inputs: str,
    watch: Watch,
    windows: NDArray[np.int64],
    valid: NDArray[np.int64],
    fallback: tuple[float, int],
    vocabulary: "Tokenizer",
    words: NDArray[np.int64],
    more: dict[str, bytes],
) -> dict[str, Any]:
    """Train the network on `windows` (windows, window + 1), numbers of `words` each; `fallback` as of the module."""
    import torch

    from anamnesis.stages.train import train_network
    from anamnesis.tasks.numbers.module import NumberModule, shares
    from anamnesis.training.batches import Batches
    from anamnesis.training.fit import seed

    torch.set_num_threads(1)
    assert experiment.training is not None
    seed(experiment.seed)
    network = new_network(model)
    batches = Batches(shares(windows, len(words)), len(windows), experiment.batch, experiment.seed)
    # Nothing is learned from the held-out windows, so that large batches change nothing but time.
    held_out = Batches(shares(valid, len(words)), len(valid), 4096, None)
    predictor = ConnectedModel({}, vocabulary, words, network)
    return train_network(
        name,
        experiment,
        root,
        stats,
        inputs,
        watch,
        NumberModule(network, experiment.training, len(batches), len(words), fallback),
        batches,
        held_out,
        headline="valid_rmse",
        epoch=("windows", len(windows)),
        more=more,
        arrays={"words": words},
        sample=lambda: spelled(predictor, written(predictor, valid[0, :-1], experiment.length)),
    )
