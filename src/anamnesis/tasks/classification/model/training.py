"""The training of a classifier of documents: from token store and settings to batches, network and loss."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anamnesis import console, models
from anamnesis.data.stores.documents import Documents, open_documents
from anamnesis.data.stores.store import read_stats
from anamnesis.data.tokenizers import tokenizer as tokenizers
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.classification.model import features as encoding
from anamnesis.tasks.classification.model import tfidf
from anamnesis.tasks.classification.model.documents import TOKENIZER, input_vocabulary, open_split, pad, word_batch
from anamnesis.tasks.classification.model.network import DocumentNetwork
from anamnesis.tasks.classification.settings import Histogram, LanguageModel, Network, TfIdf
from anamnesis.tasks.language.model.network import RecurrentNetwork
from anamnesis.tasks.language.model.transfer import model_settings, start_model
from anamnesis.training.batches import Batches
from anamnesis.training.classification import classification_loss, epoch_metrics, new_sums
from anamnesis.training.fit import seed
from anamnesis.training.plan import FittedModel, Job, NetworkPlan, Plan

Inputs = Callable[[NDArray[np.int64]], tuple[Any, ...]]
"""The network's arguments for the documents with the given numbers (batch,)."""

# Documents in a validation batch: nothing is learned from them, so the size changes time and memory only.
WORDS_BATCH, FEATURES_BATCH = 256, 1024


def plan_training(job: Job) -> Plan:
    """The network that classifies documents, with its data and loss; or the fitted baseline.

    Raises:
        AnamnesisError: the token store holds no documents, or documents of one label, or a document holds nothing that
            the model can read, or the language model is damaged.
    """
    labels = read_stats(job.store).get("labels", [])
    if len(labels) < 2:
        raise AnamnesisError(f"{job.store}: found documents of {len(labels)} labels; allowed: two or more")
    match job.experiment.model:
        case TfIdf() as model:
            return _fit_tfidf(job, model, labels)
        case Histogram() | LanguageModel() as model:
            return _plan_features(job, model, labels)
        case model:
            return _plan_words(job, model, labels)


def _fit_tfidf(job: Job, model: TfIdf, labels: list[str]) -> FittedModel:
    vocabulary = tokenizers.load(job.store / TOKENIZER).vocabulary_size
    weights, iterations = tfidf.fit(open_documents(job.store, "train"), model, vocabulary)
    parameters = sum(value.size for value in weights.values())
    return FittedModel(
        weights,
        parameters,
        f"{parameters:,} parameters, {iterations} iterations",
        {TOKENIZER: models.read_bytes(job.store / TOKENIZER)},
        {"labels": labels},
    )


def _plan_words(job: Job, model: Network, labels: list[str]) -> NetworkPlan:
    tokenizer = tokenizers.load(job.store / TOKENIZER)
    splits = {split: open_documents(job.store, split) for split in ("train", "valid")}

    def inputs(split: str) -> Inputs:
        return lambda rows: word_batch(splits[split], rows, model, tokenizer.vocabulary_size)

    seed(job.experiment.seed)
    network = DocumentNetwork(model, input_vocabulary(model, tokenizer), len(labels))
    files = {TOKENIZER: models.read_bytes(job.store / TOKENIZER)}
    return _plan(job, network, inputs, splits, max(job.experiment.batch, WORDS_BATCH), labels, files=files)


def _plan_features(job: Job, model: Histogram | LanguageModel, labels: list[str]) -> NetworkPlan:
    """A head on features that are computed once, or a language model that is trained together with its head."""
    experiment, folder = job.experiment, job.store
    card, encoder, finetune = {"labels": labels}, None, False
    if isinstance(model, LanguageModel):
        folder, finetune = job.root / str(experiment.needs), model.finetune
        source = start_model(folder)
        card["encoder"], encoder = source.card["model"], source.network
    tokenizer = tokenizers.load(folder / TOKENIZER)
    vocabulary = tokenizer.vocabulary_size
    if isinstance(model, LanguageModel) and model.untrained:
        seed(experiment.seed)
        encoder = RecurrentNetwork(model_settings(folder, card["encoder"]), vocabulary).eval()
    splits = {split: open_split(job.store, split, model, tokenizer) for split in ("train", "valid")}
    # A language model that is trained, too, needs only the mean and the scale of the features before its training.
    read = {"train": splits["train"]} if finetune else splits
    features = {}
    with console.progress() as bar:
        task = bar.add_task(f"train {job.name}, features", total=sum(map(len, read.values())))
        for split, documents in read.items():
            rows = np.arange(len(documents))
            features[split] = encoding.features(
                model, encoder, documents, rows, vocabulary, lambda count: bar.advance(task, count)
            )
    mean, scale = encoding.standard(features["train"])
    # Once more, so that the head starts alike, whatever was drawn before.
    seed(experiment.seed)
    head = encoding.Head(model, len(labels), mean, scale)
    network: nn.Module = head
    weights = dict(encoder.named_parameters()) if encoder is not None else {}
    if encoder is not None and isinstance(model, LanguageModel) and finetune:
        # The features were computed in evaluation mode, which Lightning would keep.
        network = encoding.FineTuned(model, encoder, head).train()
        # The others are parameters of the network; a softmax that is tied to the embedding has only its bias left.
        weights = {name: value for name, value in weights.items() if name.startswith("softmax.")}

    def inputs(split: str) -> Inputs:
        if finetune:
            return lambda rows: pad(splits[split], rows)
        tensor = torch.from_numpy(features[split])
        return lambda rows: (tensor[torch.from_numpy(rows)],)

    return _plan(
        job,
        network,
        inputs,
        splits,
        experiment.batch if finetune else FEATURES_BATCH,
        labels,
        files={TOKENIZER: models.read_bytes(folder / TOKENIZER)},
        card=card,
        arrays={"mean": mean, "scale": scale, **encoding.prefixed("encoder", weights)},
        prefix="" if finetune else "head/",
    )


def _plan(
    job: Job,
    network: nn.Module,
    inputs: Callable[[str], Inputs],
    splits: dict[str, Documents],
    valid_batch: int,
    labels: list[str],
    **more: Any,
) -> NetworkPlan:
    """The plan for a network that classifies the documents of `splits`; `more` are further attributes of the plan."""

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
        **{"card": {"labels": labels}, **more},
    )
