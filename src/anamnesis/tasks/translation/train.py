"""The train stage of a translation model: from token store and settings to a model folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from anamnesis import console
from anamnesis import models as folders
from anamnesis.tasks.translation import saved
from anamnesis.tasks.translation.settings import Attentive, Experiment, Seq2Seq
from anamnesis.training.watch import StartWatch, Watch, watched

if TYPE_CHECKING:
    from anamnesis.tasks.translation.translator import NetworkTranslator

# Held-out sentences that are translated after each epoch.
SAMPLES = 5
# Target tokens in a validation batch; nothing is learned from them, so that it changes nothing but time.
VALID_TOKENS = 1500


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
    from anamnesis.data.stores.store import read_stats

    stats, kind = read_stats(store), experiment.model.architecture
    card = folders.new_card(name, experiment, stats, 0, None, inputs)
    card = folders.store(root, name, {}, card, saved.needed(store, kind))
    looked = f"; it looks among {stats['splits']['train']['pairs']:,} pairs" if kind == "nearest" else ""
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

    from anamnesis.data.stores.pairs import pair_texts
    from anamnesis.data.stores.store import read_stats
    from anamnesis.data.tokenizers import tokenizer
    from anamnesis.stages.train import train_network
    from anamnesis.tasks.translation.batches import PairBatches, pair_ids
    from anamnesis.tasks.translation.module import TranslationModule
    from anamnesis.tasks.translation.network import EncoderDecoder
    from anamnesis.tasks.translation.sides import Side
    from anamnesis.tasks.translation.translator import NetworkTranslator
    from anamnesis.training.fit import seed

    torch.set_num_threads(1)
    assert experiment.training is not None
    stats = read_stats(store)
    source, target = (Side(tokenizer.load(store / each)) for each in saved.TOKENIZERS)
    batches = PairBatches(*pair_ids(store, "train", source, target), target.start, experiment.batch, experiment.seed)
    held_out = PairBatches(*pair_ids(store, "valid", source, target), target.start, VALID_TOKENS, None)
    padding = batches.padding()
    console.summary(
        "train",
        name,
        f"{len(batches.sources):,} pairs in {len(batches):,} batches; padding {padding[0]:.1%} of the source and "
        f"{padding[1]:.1%} of the target",
    )
    seed(experiment.seed)
    network = EncoderDecoder(settings, source.size, target.size)
    translator = NetworkTranslator({}, source, target, network, experiment.search)
    shown = [texts[:SAMPLES] for texts in pair_texts(store, "valid")]

    return train_network(
        name,
        experiment,
        root,
        stats,
        inputs,
        watch,
        TranslationModule(network, experiment.training, len(batches)),
        batches,
        held_out,
        headline="valid_perplexity",
        epoch=("target tokens", int(batches.target_lengths.sum())),
        more=saved.needed(store, experiment.model.architecture),
        sample=lambda: _sample(translator, *shown),
    )


def _sample(translator: "NetworkTranslator", sources: list[str], references: list[str]) -> str:
    """Held-out sentences, and how the network, in evaluation mode, translates them."""
    found = translator.translate(sources, 1)
    blocks = zip(sources, references, found, strict=True)
    return "\n".join(f"> {source}\n= {reference}\n< {best[0].text}" for source, reference, best in blocks)
