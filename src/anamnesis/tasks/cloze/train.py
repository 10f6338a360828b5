"""The train stage of a cloze model: from token store and settings to a model folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console
from anamnesis import models as saved
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.cloze import saved as folders
from anamnesis.tasks.cloze.blanks import Unknown, candidates, sentences, unknown_words
from anamnesis.tasks.cloze.evaluation import scores, shown
from anamnesis.tasks.cloze.model import ClozeModel, RecurrentModel, UnigramModel
from anamnesis.tasks.cloze.settings import Experiment, Reader
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
        AnamnesisError: the loss is NaN or infinite, or the tokens are not words.
    """
    store = root / "data" / "tokens" / experiment.tokens
    inputs = saved.inputs_digest(experiment, store)
    watched(start, name, experiment, inputs, root, lambda watch: _train(name, experiment, root, store, inputs, watch))


def _train(name: str, experiment: Experiment, root: Path, store: Path, inputs: str, watch: Watch) -> dict[str, Any]:
    from anamnesis.data.stores.store import open_split, read_stats
    from anamnesis.data.tokenizers import tokenizer

    stats, vocabulary = read_stats(store), tokenizer.load(store / folders.TOKENIZER)
    hidden = candidates(vocabulary)
    text = {split: sentences(np.asarray(open_split(store, split)), vocabulary) for split in ("train", "valid")}
    for split, found in text.items():
        if not any(hidden[sentence].any() for sentence in found):
            raise AnamnesisError(f"{store / split}.npy: found no word to hide")
    unknown = {split: unknown_words(store, split, stats, hidden) for split in text}
    more = {folders.TOKENIZER: saved.read_bytes(store / folders.TOKENIZER)}
    if isinstance(experiment.model, Reader):
        return _train_network(
            name, experiment, experiment.model, root, stats, inputs, watch, text, unknown, vocabulary, more
        )
    counts = (np.bincount(np.concatenate(text["train"]), minlength=len(hidden)) * hidden).astype(np.int64)
    floor = UnigramModel({}, vocabulary, counts)
    measured = {split: scores(floor, found, unknown[split]) for split, found in text.items()}
    row = {
        "epoch": 0,
        "learning_rate": 0.0,
        "train_perplexity": measured["train"]["perplexity"],
        "valid_perplexity": measured["valid"]["perplexity"],
        "valid_accuracy": measured["valid"]["accuracy"],
    }
    card = saved.new_card(name, experiment, stats, int(hidden.sum()), None, inputs)
    sample = ("after counting", _sample(floor, text["valid"]))
    card = saved.store(root, name, {"counts": counts}, card, more, [row], [sample])
    console.summary("train", name, f"{card['parameters']:,} parameters, valid perplexity {row['valid_perplexity']:.4g}")
    return card


def _train_network(
    name: str,
    experiment: Experiment,
    settings: Reader,
    root: Path,
    stats: dict[str, Any],
    inputs: str,
    watch: Watch,
    text: dict[str, list[NDArray[np.int64]]],
    unknown: dict[str, Unknown],
    vocabulary: "Tokenizer",
    more: dict[str, bytes],
) -> dict[str, Any]:
    """Train the network on the sentences of `text`, each (tokens,); epochs tell perplexities with `unknown` words."""
    import torch

    from anamnesis.stages.train import train_network
    from anamnesis.tasks.cloze.batches import SentenceBatches
    from anamnesis.tasks.cloze.module import ClozeModule
    from anamnesis.tasks.cloze.network import ClozeNetwork
    from anamnesis.training.fit import seed

    torch.set_num_threads(1)
    assert experiment.training is not None
    hidden = candidates(vocabulary)
    seed(experiment.seed)
    network = ClozeNetwork(settings, hidden)
    batches = SentenceBatches(text["train"], hidden, experiment.batch, experiment.seed)
    # Nothing is learned from the held-out sentences, so that their batches change nothing but time.
    held_out = SentenceBatches(text["valid"], hidden, 32, None)
    model = RecurrentModel({}, vocabulary, network)
    return train_network(
        name,
        experiment,
        root,
        stats,
        inputs,
        watch,
        ClozeModule(network, experiment.training, len(batches), unknown["train"], unknown["valid"]),
        batches,
        held_out,
        headline="valid_perplexity",
        epoch=("blanks", sum(int(hidden[sentence].sum()) for sentence in text["train"])),
        more=more,
        sample=lambda: _sample(model, text["valid"]),
    )


def _sample(model: ClozeModel, text: list[NDArray[np.int64]]) -> str:
    """A held-out sentence with a blank, the true word, and what the model would fill in."""
    lines = []
    for blank in shown(model, text, 1):
        guesses = ", ".join(f"{guess['word']} {guess['probability']:.3f}" for guess in blank["guesses"])
        lines.append(f"{blank['text']}\n{blank['word']} {blank['probability']:.3f}; guessed: {guesses}")
    return "\n".join(lines)
