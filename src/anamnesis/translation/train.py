"""The train stage of a translation model: from token store and settings to a model folder."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from anamnesis import console, files
from anamnesis.training import saved as folders
from anamnesis.training.watch import StartWatch, Watch, watched
from anamnesis.translation import saved
from anamnesis.translation.settings import Attentive, Experiment, Seq2Seq

if TYPE_CHECKING:
    from anamnesis.translation.translator import NetworkTranslator

CODE = ("nn", "training", "translation")
# Held-out sentences that are translated after each epoch.
SAMPLES = 5


def train(name: str, experiment: Experiment, root: Path, start: StartWatch) -> None:
    """Train one experiment and write models/NAME; an interrupted training goes on from its last checkpoint.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.
        start: opens a listener to the run.

    Raises:
        AnamnesisError: the loss is NaN or infinite, or the token store holds no sentence pairs.
    """
    store = root / "data" / "tokens" / experiment.tokens
    inputs = folders.inputs_digest(experiment, store)

    def fitted(watch: Watch) -> dict[str, Any]:
        if isinstance(experiment.model, Seq2Seq | Attentive):
            return _train_network(name, experiment, experiment.model, root, store, inputs, watch)
        return _floor(name, experiment, root, store, inputs)

    watched(start, name, experiment, inputs, root, fitted)


def _floor(name: str, experiment: Experiment, root: Path, store: Path, inputs: str) -> dict[str, Any]:
    from anamnesis.tokens.store import open_pairs, read_stats

    stats = read_stats(store)
    pairs = len(open_pairs(store, "train"))
    card = folders.new_card(name, experiment, stats, 0, None, inputs)
    with files.new_folder(root / "models" / name) as folder:
        card = saved.save(folder, {}, card, store)
    looked = f"; it looks among {pairs:,} pairs" if experiment.model.architecture == "nearest" else ""
    console.summary("train", name, f"nothing to train{looked}")
    return card


def _train_network(
    name: str,
    experiment: Experiment,
    settings: Seq2Seq | Attentive,
    root: Path,
    store: Path,
    inputs: str,
    watch: Watch,
) -> dict[str, Any]:
    import torch

    from anamnesis.tokens import tokenizer
    from anamnesis.tokens.pairs import pair_texts
    from anamnesis.tokens.store import read_stats
    from anamnesis.training.best import Row
    from anamnesis.training.fit import fit, seed
    from anamnesis.training.state import checkpoint_path
    from anamnesis.translation.batches import PairBatches, pair_ids
    from anamnesis.translation.module import TranslationModule
    from anamnesis.translation.network import EncoderDecoder
    from anamnesis.translation.sides import Side
    from anamnesis.translation.translator import NetworkTranslator

    torch.set_num_threads(1)
    assert experiment.training is not None
    stats = read_stats(store)
    source, target = (Side(tokenizer.load(store / each)) for each in saved.TOKENIZERS)
    batches = PairBatches(*pair_ids(store, "train", source, target), target.start, experiment.batch, experiment.seed)
    held_out = PairBatches(*pair_ids(store, "valid", source, target), target.start, 1500, None)
    padding = batches.padding()
    console.summary(
        "train",
        name,
        f"{len(batches.sources):,} pairs in {len(batches):,} batches; padding {padding[0]:.1%} of the source and "
        f"{padding[1]:.1%} of the target",
    )
    seed(experiment.seed)
    network = EncoderDecoder(settings, source.size, target.size)
    module = TranslationModule(network, experiment.training, len(batches))
    translator = NetworkTranslator({}, source, target, network, experiment.search)
    shown = [texts[:SAMPLES] for texts in pair_texts(store, "valid")]

    def on_epoch(row: Row) -> str:
        epoch = int(row["epoch"])
        watch.log({key: float(value) for key, value in row.items() if key != "epoch"}, epoch)
        sample = _sample(translator, *shown)
        watch.sample(sample, epoch)
        return sample

    checkpoint = checkpoint_path(root, name, inputs, CODE)
    fitted = fit(name, module, batches, held_out, experiment.training, checkpoint, on_epoch)
    weights: dict[str, NDArray[Any]] = {key: value.float().numpy() for key, value in fitted.weights.items()}
    parameters = sum(value.size for value in weights.values())
    card = folders.new_card(name, experiment, stats, parameters, fitted.best_epoch, inputs)
    with files.new_folder(root / "models" / name) as folder:
        card = saved.save(folder, weights, card, store)
        files.write_text(folder / "history.csv", folders.history_csv(saved.HISTORY, fitted.history))
        headed = (f"== after epoch {epoch} ==\n{text}\n" for epoch, text in enumerate(fitted.samples, start=1))
        files.write_text(folder / "samples.txt", "\n".join(headed))
    tokens = int(batches.target_lengths.sum()) * fitted.steps / len(batches)
    folders.keep_timings(
        root,
        name,
        card,
        seconds=fitted.seconds,
        cpu_seconds=fitted.cpu_seconds,
        target_tokens_per_second=tokens / fitted.seconds,
    )
    shutil.rmtree(checkpoint.parent, ignore_errors=True)
    best = fitted.history[fitted.best_epoch - 1]
    console.summary(
        "train",
        name,
        f"{parameters:,} parameters, valid perplexity {best['valid_perplexity']:.4g} after epoch "
        f"{fitted.best_epoch} of {len(fitted.history)}, {fitted.seconds:.0f} s, "
        f"{tokens / fitted.seconds:,.0f} target tokens/s",
    )
    return card


def _sample(translator: "NetworkTranslator", sources: list[str], references: list[str]) -> str:
    """Held-out sentences, and how the network, as it is now, translates them."""
    training = translator.network.training
    translator.network.eval()
    found = translator.translate(sources, 1)
    translator.network.train(training)
    blocks = zip(sources, references, found, strict=True)
    return "\n".join(f"> {source}\n= {reference}\n< {best[0].text}" for source, reference, best in blocks)
