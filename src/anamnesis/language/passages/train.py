"""The train stage of telling a passage's author: read all passages once with the frozen model, then train on that."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console, files
from anamnesis.language import transfer
from anamnesis.language.passages.settings import Experiment, States
from anamnesis.training.watch import StartWatch, Watch, watched

if TYPE_CHECKING:
    from anamnesis.language.network import RecurrentPredictor

# This slice and what it takes from the language slice: an edit there starts the training anew.
CODE = ("nn", "training", "language")


def train(name: str, experiment: Experiment, root: Path, start: StartWatch) -> None:
    """Train one experiment and write models/NAME; an interrupted training goes on from its last checkpoint.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.
        start: opens a listener to the run.

    Raises:
        AnamnesisError: the loss is NaN or infinite, or the settings do not fit the data or the model to start from.
    """
    inputs = transfer.inputs_digest(experiment, root)
    watched(start, name, experiment, inputs, root, lambda watch: _train(name, experiment, root, inputs, watch))


def reader_of(experiment: Experiment, root: Path) -> "RecurrentPredictor | None":
    """The language model whose states are read, its weights drawn anew where the settings say so; None: there is none.

    Raises:
        AnamnesisError: as `transfer.start_model`.
    """
    from anamnesis.language.network import RecurrentNetwork, RecurrentPredictor
    from anamnesis.training.fit import seed

    if not isinstance(experiment.model, States):
        return None
    assert experiment.start is not None
    reader = transfer.start_model(experiment.start, root)
    if not experiment.model.untrained:
        return reader
    seed(experiment.seed)
    drawn = RecurrentNetwork(transfer.settings_of(reader), reader.tokenizer.vocabulary_size)
    return RecurrentPredictor(drawn.eval(), reader.card, reader.tokenizer)


def _train(name: str, experiment: Experiment, root: Path, inputs: str, watch: Watch) -> dict[str, Any]:
    import torch

    from anamnesis.language.passages import saved as folders
    from anamnesis.language.passages.classifier import features, new_head
    from anamnesis.language.passages.features import passages, standard
    from anamnesis.language.passages.module import FeatureBatches, PassageModule
    from anamnesis.tokens import tokenizer
    from anamnesis.tokens.store import read_stats
    from anamnesis.training import saved
    from anamnesis.training.best import Row
    from anamnesis.training.fit import fit, seed
    from anamnesis.training.state import checkpoint_path

    torch.set_num_threads(1)
    store = root / "data" / "tokens" / experiment.tokens
    texts, wanted = {}, {}
    for split in ("train", "valid"):
        texts[split], wanted[split] = passages(store, split)
    stats, reader = read_stats(store), reader_of(experiment, root)
    source = store if reader is None else root / "models" / str(experiment.start)
    vocabulary = tokenizer.load(source / folders.TOKENIZER)
    read: dict[str, NDArray[np.float32]] = {}
    with console.progress() as bar:
        task = bar.add_task(f"train {name}, reading", total=sum(map(len, texts.values())))
        for split, each in texts.items():
            read[split] = features(experiment.model, vocabulary, reader, each, lambda count: bar.advance(task, count))
    mean, scale = standard(read["train"])
    labels = stats["labels"]
    # Once more, so that the network on top starts alike whatever was drawn before.
    seed(experiment.seed)
    head = new_head(experiment.model, len(mean), len(labels))
    batches = FeatureBatches((read["train"] - mean) / scale, wanted["train"], experiment.batch, experiment.seed)
    held_out = FeatureBatches((read["valid"] - mean) / scale, wanted["valid"], 1024, None)
    module = PassageModule(head, experiment.training, len(batches), len(labels))
    checkpoint = checkpoint_path(root, name, inputs, CODE)

    def on_epoch(row: Row) -> str:
        watch.log({key: float(value) for key, value in row.items() if key != "epoch"}, int(row["epoch"]))
        return ""

    fitted = fit(name, module, batches, held_out, experiment.training, checkpoint, on_epoch)
    weights = folders.named("head", fitted.weights) | {"mean": mean, "scale": scale}
    parameters = sum(value.numel() for value in fitted.weights.values())
    card = saved.new_card(name, experiment, stats, parameters, fitted.best_epoch, inputs)
    card |= {"labels": labels, "train_text_sha256": stats["splits"]["train"]["text_sha256"]}
    if reader is not None:
        weights |= folders.named("reader", dict(reader.network.named_parameters()))
        card |= {"reader": reader.card["model"], **transfer.card_entries(reader, stats)}
    with files.new_folder(root / "models" / name) as folder:
        card = saved.save(folder, weights, card, {folders.TOKENIZER: (source / folders.TOKENIZER).read_bytes()})
        files.write_text(folder / "history.csv", saved.history_csv(folders.HISTORY, fitted.history))
    saved.keep_timings(root, name, card, seconds=fitted.seconds, cpu_seconds=fitted.cpu_seconds)
    shutil.rmtree(checkpoint.parent, ignore_errors=True)
    best = fitted.history[fitted.best_epoch - 1]
    console.summary(
        "train",
        name,
        f"{parameters:,} trained parameters, valid macro F1 {best['valid_macro_f1']:.4g} "
        f"after epoch {fitted.best_epoch} of {len(fitted.history)}, {fitted.seconds:.0f} s",
    )
    return card
