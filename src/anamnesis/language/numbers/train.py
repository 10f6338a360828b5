"""The train stage of a regression on word numbers: from token store and settings to a model folder."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console, files
from anamnesis.language.numbers import numbering
from anamnesis.language.numbers import saved as folders
from anamnesis.language.numbers.network import ConnectedModel, MeanModel, new_network, spelled, written
from anamnesis.language.numbers.settings import Connected, Experiment
from anamnesis.training import saved
from anamnesis.training.watch import StartWatch, Watch, watched

if TYPE_CHECKING:
    from anamnesis.tokens.base import Tokenizer

# This slice and the helpers it takes from the language slice: an edit there starts the training anew.
CODE = ("nn", "training", "language")


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
    from anamnesis.tokens import tokenizer
    from anamnesis.tokens.store import open_split, read_stats

    stats, vocabulary = read_stats(store), tokenizer.load(store / folders.TOKENIZER)
    ids = np.asarray(open_split(store, "train"))
    words = numbering.first_appearance(ids, vocabulary)
    row = numbering.numbers(ids, words, vocabulary)
    windows = numbering.windows(row, experiment.model.window)
    held_out = numbering.numbers(np.asarray(open_split(store, "valid")), words, vocabulary)
    valid = numbering.windows(held_out, experiment.model.window)
    weights: dict[str, NDArray[Any]] = {"words": words}
    best_epoch, speeds = None, None
    if isinstance(experiment.model, Connected):
        fitted = _fit(name, experiment, experiment.model, root, inputs, windows, valid, vocabulary, words, watch)
        weights |= {key: value.numpy() for key, value in fitted.weights.items()}
        best_epoch, history = fitted.best_epoch, fitted.history
        texts = [(f"after epoch {epoch}", text) for epoch, text in enumerate(fitted.samples, start=1)]
        speeds = {
            "seconds": fitted.seconds,
            "cpu_seconds": fitted.cpu_seconds,
            "windows_per_second": fitted.steps * experiment.batch / fitted.seconds,
        }
    else:
        mean = float(row.mean())
        weights["mean"] = np.array([mean])
        history = [
            {
                "epoch": 0,
                "learning_rate": 0.0,
                "train_rmse": float(np.sqrt(np.square(windows[:, -1] - mean).mean())),
                "valid_rmse": float(np.sqrt(np.square(valid[:, -1] - mean).mean())),
            }
        ]
        floor = MeanModel({}, vocabulary, words, mean)
        texts = [("after counting", spelled(floor, written(floor, valid[0, :-1], experiment.length)))]
    parameters = sum(value.size for key, value in weights.items() if key != "words")
    card = saved.new_card(name, experiment, stats, parameters, best_epoch, inputs)
    with files.new_folder(root / "models" / name) as folder:
        card = saved.save(folder, weights, card, {folders.TOKENIZER: (store / folders.TOKENIZER).read_bytes()})
        files.write_text(folder / "history.csv", saved.history_csv(folders.HISTORY, history))
        files.write_text(folder / "samples.txt", "\n".join(f"== {when} ==\n{text}\n" for when, text in texts))
    if speeds:
        saved.keep_timings(root, name, card, **speeds)
        shutil.rmtree(root / ".anamnesis" / "checkpoints" / name, ignore_errors=True)
    best = history[(best_epoch or 1) - 1]
    console.summary(
        "train",
        name,
        f"{parameters:,} parameters, {len(words):,} numbered words, valid rmse {best['valid_rmse']:.4g} word numbers"
        + (f" after epoch {best_epoch} of {len(history)}, {speeds['seconds']:.0f} s" if speeds else ""),
    )
    return card


def _fit(
    name: str,
    experiment: Experiment,
    model: Connected,
    root: Path,
    inputs: str,
    windows: NDArray[np.int64],
    valid: NDArray[np.int64],
    vocabulary: "Tokenizer",
    words: NDArray[np.int64],
    watch: Watch,
) -> Any:
    """Train the network on `windows` (windows, window + 1); returns what `training.fit.fit` does."""
    import torch

    from anamnesis.language.numbers.batches import NumberBatches
    from anamnesis.language.numbers.module import NumberModule
    from anamnesis.training.best import Row
    from anamnesis.training.fit import fit, seed
    from anamnesis.training.state import checkpoint_path

    torch.set_num_threads(1)
    assert experiment.training is not None
    seed(experiment.seed)
    network = new_network(model)
    batches = NumberBatches(windows, len(words), experiment.batch, experiment.seed)
    # Nothing is learned from the held-out windows, so that large batches change nothing but time.
    held_out = NumberBatches(valid, len(words), 4096, None)
    module = NumberModule(network, experiment.training, len(batches), len(words))
    predictor = ConnectedModel({}, vocabulary, words, network)

    def on_epoch(row: Row) -> str:
        epoch = int(row["epoch"])
        watch.log({key: float(value) for key, value in row.items() if key != "epoch"}, epoch)
        text = spelled(predictor, written(predictor, valid[0, :-1], experiment.length))
        watch.sample(text, epoch)
        return text

    checkpoint = checkpoint_path(root, name, inputs, CODE)
    return fit(name, module, batches, held_out, experiment.training, checkpoint, on_epoch)
