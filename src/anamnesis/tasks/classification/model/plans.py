"""The plan of each kind of network: of words, of a histogram, of a language model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anamnesis import console, models
from anamnesis.data.stores.documents import Documents
from anamnesis.data.tokenizers import tokenizer as tokenizers
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.tasks.classification.model.batches import input_vocabulary, pad, pad_to_fixed_shape, word_batch
from anamnesis.tasks.classification.model.documents import TOKENIZER, open_split
from anamnesis.tasks.classification.model.features import Head, frequencies, moments
from anamnesis.tasks.classification.model.network import DocumentNetwork
from anamnesis.tasks.classification.settings import Histogram, LanguageModel, Model, Network
from anamnesis.training.batches import Batches
from anamnesis.training.classification import classification_loss, epoch_metrics, new_sums
from anamnesis.training.fit import seed
from anamnesis.training.plan import Job, NetworkPlan

Inputs = Callable[[NDArray[np.int64]], tuple[Any, ...]]
"""The network's arguments for the documents with the given numbers (batch,)."""

# Documents in a validation batch: nothing is learned from them, so the size changes time and memory only.
WORDS_BATCH, FEATURES_BATCH = 256, 1024


def plan_network(job: Job, labels: list[str]) -> NetworkPlan:
    """The network that an experiment describes, with its data and loss. Raises as `plan_training`."""
    match job.experiment.model:
        case Histogram() as model:
            return _plan_histogram(job, model, labels)
        case LanguageModel() as model:
            return _plan_language_model(job, model, labels)
        case model:
            return _plan_words(job, model, labels)


def _plan_words(job: Job, model: Network, labels: list[str]) -> NetworkPlan:
    tokenizer = tokenizers.load(job.store / TOKENIZER)
    splits = _open(job, model, tokenizer)

    def inputs(split: str) -> Inputs:
        return lambda rows: word_batch(splits[split], rows, model, tokenizer.vocabulary_size)

    seed(job.experiment.seed)
    network = DocumentNetwork(model, input_vocabulary(model, tokenizer), len(labels))
    size = max(job.experiment.batch, WORDS_BATCH)
    return _plan(job, job.store, network, inputs, splits, size, labels, pad_to_fixed_shape=pad_to_fixed_shape)


def _plan_histogram(job: Job, model: Histogram, labels: list[str]) -> NetworkPlan:
    tokenizer = tokenizers.load(job.store / TOKENIZER)
    splits = _open(job, model, tokenizer)
    features = {
        split: frequencies(documents, np.arange(len(documents)), tokenizer.vocabulary_size)
        for split, documents in splits.items()
    }
    head, arrays = _new_head(job, model, features["train"], labels)
    return _plan(
        job, job.store, head, _rows_of(features), splits, FEATURES_BATCH, labels, arrays=arrays, prefix="head."
    )


def _plan_language_model(job: Job, model: LanguageModel, labels: list[str]) -> NetworkPlan:
    """A head on the features of a frozen language model, or both as one network."""
    from anamnesis.tasks.classification.model.encoder import FineTuned, new_encoder, summaries, without_softmax
    from anamnesis.tasks.language.model.transfer import start_model

    folder = job.root / str(job.experiment.needs)
    start = start_model(folder)
    tokenizer, encoder = start.tokenizer, without_softmax(start.network)
    if model.untrained:
        seed(job.experiment.seed)
        encoder = new_encoder(folder, start.card["model"], tokenizer.vocabulary_size).eval()
    splits = _open(job, model, tokenizer)
    # Fine-tuning needs the features only for their mean and scale.
    read = {"train": splits["train"]} if model.finetune else splits
    features = {}
    with console.progress() as bar:
        task = bar.add_task(f"train {job.name}, features", total=sum(map(len, read.values())))
        for split, documents in read.items():
            rows = np.arange(len(documents))
            features[split] = summaries(model, encoder, documents, rows, lambda count: bar.advance(task, count))
    head, arrays = _new_head(job, model, features["train"], labels)
    card = {"labels": labels, "encoder": start.card["model"]}
    if model.finetune:
        # The features were computed in evaluation mode, which Lightning would keep.
        network = FineTuned(model, encoder, head).train()
        batch = job.experiment.batch

        def inputs(split: str) -> Inputs:
            return lambda rows: pad(splits[split], rows)

        more = {"card": card, "arrays": arrays, "pad_to_fixed_shape": pad_to_fixed_shape}
        return _plan(job, folder, network, inputs, splits, batch, labels, **more)
    arrays |= {f"encoder.{name}": value.detach().numpy() for name, value in encoder.named_parameters()}
    return _plan(
        job,
        folder,
        head,
        _rows_of(features),
        splits,
        FEATURES_BATCH,
        labels,
        card=card,
        arrays=arrays,
        prefix="head.",
    )


def _open(job: Job, model: Model, tokenizer: Tokenizer) -> dict[str, Documents]:
    return {split: open_split(job.store, split, model, tokenizer) for split in ("train", "valid")}


def _new_head(
    job: Job, model: Histogram | LanguageModel, features: NDArray[np.float32], labels: list[str]
) -> tuple[Head, dict[str, NDArray[np.float32]]]:
    """A head with random weights, and the mean and scale of the training documents' features (documents, features)."""
    mean, scale = moments(features)
    seed(job.experiment.seed)
    return Head(model, mean, scale, len(labels)), {"mean": mean, "scale": scale}


def _rows_of(features: dict[str, NDArray[np.float32]]) -> Callable[[str], Inputs]:
    """The inputs of a head: rows of each split's features (documents, features)."""

    def inputs(split: str) -> Inputs:
        return lambda rows: (torch.from_numpy(features[split][rows]),)

    return inputs


def _plan(
    job: Job,
    source: Path,
    network: nn.Module,
    inputs: Callable[[str], Inputs],
    splits: dict[str, Documents],
    valid_batch: int,
    labels: list[str],
    **more: Any,
) -> NetworkPlan:
    """The plan for a network that classifies documents.

    Args:
        source: the folder of the tokenizer.
        inputs: a split's batches of arguments for the network.
        splits: the documents, with their labels.
        valid_batch: documents in a validation batch.
        more: further attributes of the plan.
    """

    def batches(split: str, size: int, order: int | None) -> Batches[Any]:
        arguments, targets = inputs(split), torch.from_numpy(splits[split].labels.astype(np.int64))
        return Batches(lambda rows: (arguments(rows.numpy()), targets[rows]), len(targets), size, order)

    train = batches("train", job.experiment.batch, job.experiment.seed)
    return NetworkPlan(
        network,
        lambda batch, state: classification_loss(network, batch),
        train,
        batches("valid", valid_batch, None),
        epoch_metrics,
        headline="valid_accuracy",
        unit="documents",
        units=train.examples,
        sums=new_sums(len(labels)),
        files={TOKENIZER: models.read_bytes(source / TOKENIZER)},
        **{"card": {"labels": labels}, **more},
    )
