"""The train stage of a classifier of documents: from token store and settings to a model folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from anamnesis import console
from anamnesis import models as folders
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.classification import saved
from anamnesis.tasks.classification.settings import Experiment, TfIdf
from anamnesis.training.watch import StartWatch, Watch, watched

if TYPE_CHECKING:
    from anamnesis.tasks.classification.network import Network


def train(name: str, experiment: Experiment, root: Path, start: StartWatch) -> None:
    """Train one experiment and write models/NAME; an interrupted training goes on from its last checkpoint.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.
        start: opens a listener to the run.

    Raises:
        AnamnesisError: the loss is NaN or infinite, or the token store holds no documents of two labels or more.
    """
    store = root / "data" / "tokens" / experiment.tokens
    inputs = folders.inputs_digest(experiment, store)

    def fitted(watch: Watch) -> dict[str, Any]:
        from anamnesis.data.stores.store import read_stats

        stats = read_stats(store)
        if len(labels := stats.get("labels", [])) < 2:
            raise AnamnesisError(f"{store}: found documents of {len(labels)} labels; allowed: two or more")
        if isinstance(experiment.model, TfIdf):
            return _floor(name, experiment, experiment.model, root, stats, inputs)
        return _train_network(name, experiment, experiment.model, root, stats, inputs, watch)

    watched(start, name, experiment, inputs, root, fitted)


def _floor(
    name: str, experiment: Experiment, settings: TfIdf, root: Path, stats: dict[str, Any], inputs: str
) -> dict[str, Any]:
    import time

    from anamnesis.data.stores.documents import open_documents
    from anamnesis.tasks.classification import tfidf

    store = root / "data" / "tokens" / experiment.tokens
    start, cpu_start = time.perf_counter(), time.process_time()
    weights, iterations = tfidf.fit(open_documents(store, "train"), settings, stats["vocabulary_size"])
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    parameters = sum(value.size for value in weights.values())
    card = folders.new_card(name, experiment, stats, parameters, None, inputs) | saved.entries(stats)
    more = {saved.TOKENIZER: folders.read_bytes(store / saved.TOKENIZER)}
    card = folders.store(root, name, weights, card, more)
    folders.keep_timings(root, name, card, seconds=seconds, cpu_seconds=cpu_seconds)
    console.summary("train", name, f"{parameters:,} parameters, {iterations} iterations, {seconds:.1f} s")
    return card


def _train_network(
    name: str,
    experiment: Experiment,
    settings: "Network",
    root: Path,
    stats: dict[str, Any],
    inputs: str,
    watch: Watch,
) -> dict[str, Any]:
    import numpy as np
    import torch

    from anamnesis.data.stores.documents import open_documents
    from anamnesis.data.tokenizers import tokenizer
    from anamnesis.stages.train import train_network
    from anamnesis.tasks.classification.network import DocumentNetwork
    from anamnesis.tasks.classification.reading import Reading, vocabulary
    from anamnesis.tasks.labels.module import Batch, ClassificationModule
    from anamnesis.training.batches import Batches
    from anamnesis.training.fit import seed

    torch.set_num_threads(1)
    assert experiment.training is not None
    store = root / "data" / "tokens" / experiment.tokens
    words = tokenizer.load(store / saved.TOKENIZER)

    def batches(split: str, order: int | None) -> Batches[Batch]:
        documents = open_documents(store, split)
        reading = Reading(documents.ids, documents.offsets, experiment, words.vocabulary_size)
        labels = torch.from_numpy(np.asarray(documents.labels, np.int64))
        size = experiment.batch if order is not None else max(experiment.batch, 256)
        return Batches(lambda rows: (reading.pick(rows), labels[rows]), len(reading), size, order)

    train, valid = batches("train", experiment.seed), batches("valid", None)
    seed(experiment.seed)
    network = DocumentNetwork(settings, vocabulary(words, experiment), len(stats["labels"]))
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
        epoch=("documents", train.examples),
        more={saved.TOKENIZER: folders.read_bytes(store / saved.TOKENIZER)},
        entries=saved.entries(stats),
    )
