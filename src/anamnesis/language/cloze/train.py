"""The train stage of a cloze model: from token store and settings to a model folder."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console, files
from anamnesis.errors import AnamnesisError
from anamnesis.language.cloze import saved as folders
from anamnesis.language.cloze.blanks import candidates, sentences
from anamnesis.language.cloze.evaluation import scores, shown
from anamnesis.language.cloze.model import ClozeModel, RecurrentModel, UnigramModel
from anamnesis.language.cloze.settings import Experiment, Reader
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
        AnamnesisError: the loss is NaN or infinite, or the tokens are not words.
    """
    store = root / "data" / "tokens" / experiment.tokens
    inputs = saved.inputs_digest(experiment, store)
    watched(start, name, experiment, inputs, root, lambda watch: _train(name, experiment, root, store, inputs, watch))


def _train(name: str, experiment: Experiment, root: Path, store: Path, inputs: str, watch: Watch) -> dict[str, Any]:
    from anamnesis.tokens import tokenizer
    from anamnesis.tokens.store import open_split, read_stats

    stats, vocabulary = read_stats(store), tokenizer.load(store / folders.TOKENIZER)
    hidden = candidates(vocabulary)
    text = {split: sentences(np.asarray(open_split(store, split)), vocabulary) for split in ("train", "valid")}
    for split, found in text.items():
        if not any(hidden[sentence].any() for sentence in found):
            raise AnamnesisError(f"{store / split}.npy: found no word to hide")
    best_epoch, speeds = None, None
    if isinstance(experiment.model, Reader):
        fitted = _fit(name, experiment, experiment.model, root, inputs, text, vocabulary, hidden, watch)
        weights: dict[str, NDArray[Any]] = {key: value.float().numpy() for key, value in fitted.weights.items()}
        parameters = sum(value.size for value in weights.values())
        best_epoch, history = fitted.best_epoch, fitted.history
        samples = [(f"after epoch {epoch}", sample) for epoch, sample in enumerate(fitted.samples, start=1)]
        read = [int(hidden[sentence].sum()) for sentence in text["train"]]
        epochs = fitted.steps / -(-np.count_nonzero(read) // experiment.batch)
        speeds = {
            "seconds": fitted.seconds,
            "cpu_seconds": fitted.cpu_seconds,
            "blanks_per_second": epochs * sum(read) / fitted.seconds,
        }
    else:
        counts = np.bincount(np.concatenate(text["train"]), minlength=len(hidden)) * hidden
        weights, parameters = {"counts": counts.astype(np.int64)}, int(hidden.sum())
        floor = UnigramModel({}, vocabulary, weights["counts"])
        measured = {split: scores(floor, found) for split, found in text.items()}
        history = [
            {
                "epoch": 0,
                "learning_rate": 0.0,
                "train_perplexity": measured["train"]["perplexity"],
                "valid_perplexity": measured["valid"]["perplexity"],
                "valid_accuracy": measured["valid"]["accuracy"],
            }
        ]
        samples = [("after counting", _sample(floor, text["valid"]))]
    card = saved.new_card(name, experiment, stats, parameters, best_epoch, inputs)
    with files.new_folder(root / "models" / name) as folder:
        card = saved.save(folder, weights, card, {folders.TOKENIZER: (store / folders.TOKENIZER).read_bytes()})
        files.write_text(folder / "history.csv", saved.history_csv(folders.HISTORY, history))
        files.write_text(folder / "samples.txt", "\n".join(f"== {when} ==\n{sample}\n" for when, sample in samples))
    if speeds:
        saved.keep_timings(root, name, card, **speeds)
        shutil.rmtree(root / ".anamnesis" / "checkpoints" / name, ignore_errors=True)
    best = history[(best_epoch or 1) - 1]
    console.summary(
        "train",
        name,
        f"{parameters:,} parameters, valid perplexity {best['valid_perplexity']:.4g}"
        + (f" after epoch {best_epoch} of {len(history)}, {speeds['seconds']:.0f} s" if speeds else ""),
    )
    return card


def _fit(
    name: str,
    experiment: Experiment,
    settings: Reader,
    root: Path,
    inputs: str,
    text: dict[str, list[NDArray[np.int64]]],
    vocabulary: "Tokenizer",
    hidden: NDArray[np.bool_],
    watch: Watch,
) -> Any:
    """Train the network on the sentences of `text`, each (tokens,); returns what `training.fit.fit` does."""
    import torch

    from anamnesis.language.cloze.batches import SentenceBatches
    from anamnesis.language.cloze.module import ClozeModule
    from anamnesis.language.cloze.network import ClozeNetwork
    from anamnesis.training.best import Row
    from anamnesis.training.fit import fit, seed
    from anamnesis.training.state import checkpoint_path

    torch.set_num_threads(1)
    assert experiment.training is not None
    seed(experiment.seed)
    network = ClozeNetwork(settings, hidden)
    batches = SentenceBatches(text["train"], hidden, experiment.batch, experiment.seed)
    # Nothing is learned from the held-out sentences, so that their batches change nothing but time.
    held_out = SentenceBatches(text["valid"], hidden, 32, None)
    module = ClozeModule(network, experiment.training, len(batches))
    model = RecurrentModel({}, vocabulary, network)

    def on_epoch(row: Row) -> str:
        epoch = int(row["epoch"])
        watch.log({key: float(value) for key, value in row.items() if key != "epoch"}, epoch)
        training = network.training
        network.eval()
        sample = _sample(model, text["valid"])
        network.train(training)
        watch.sample(sample, epoch)
        return sample

    checkpoint = checkpoint_path(root, name, inputs, CODE)
    return fit(name, module, batches, held_out, experiment.training, checkpoint, on_epoch)


def _sample(model: ClozeModel, text: list[NDArray[np.int64]]) -> str:
    """A held-out sentence with a blank, the true word, and what the model would fill in."""
    lines = []
    for blank in shown(model, text, 1):
        guesses = ", ".join(f"{guess['word']} {guess['probability']:.3f}" for guess in blank["guesses"])
        lines.append(f"{blank['text']}\n{blank['word']} {blank['probability']:.3f}; guessed: {guesses}")
    return "\n".join(lines)
