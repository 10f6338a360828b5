"""The training of a language model: from a token store and settings to batches, network and loss, or to counts."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console, models
from anamnesis.data.stores.store import open_split
from anamnesis.data.tokenizers import tokenizer
from anamnesis.tasks.language.model.generation import sample
from anamnesis.tasks.language.model.language_model import LanguageModel
from anamnesis.tasks.language.model.ngram import NGramModel, count
from anamnesis.tasks.language.model.scores import score_split
from anamnesis.tasks.language.model.text import TOKENIZER, read_split
from anamnesis.tasks.language.model.uniform import UniformModel
from anamnesis.tasks.language.settings import NGram, Reader, Streams
from anamnesis.training.plan import FittedModel, Job, NetworkPlan, Plan, Sums, perplexities


def plan_training(job: Job) -> Plan:
    """The network of a language model with its data and loss, or a model that needs no gradients.

    Raises:
        AnamnesisError: the settings do not fit the token store, or the model to begin with is damaged.
    """
    experiment = job.experiment
    if not isinstance(experiment.model, Reader):
        return _count(job)
    return _plan_network(job) if experiment.training else _keep_weights(job)


def _count(job: Job) -> FittedModel:
    """The uniform model or an n-gram model."""
    settings, vocabulary = job.experiment.model, tokenizer.load(job.store / TOKENIZER)
    weights: dict[str, NDArray[Any]] = {}
    model: LanguageModel = UniformModel({}, vocabulary)
    if isinstance(settings, NGram):
        ids = open_split(job.store, "train")
        weights = count(ids, settings.order, vocabulary.vocabulary_size, vocabulary.start_id)
        model = NGramModel({}, weights, vocabulary, settings.order)
    parameters = sum(int(np.count_nonzero(array)) for key, array in weights.items() if key.startswith("counts"))
    tokenizer_file = models.read_bytes(job.store / TOKENIZER)
    return _describe_fitted(job, model, weights, parameters, tokenizer_file, f"{parameters:,} counts", "after counting")


def _keep_weights(job: Job) -> FittedModel:
    """The needed model as it is, which the evaluation scores on another text."""
    from anamnesis.tasks.language.model.transfer import start_model

    needed = job.root / job.experiment.needs
    model = start_model(needed, job.experiment.model)
    weights = {key: value.detach().numpy() for key, value in model.network.named_parameters()}
    parameters = sum(value.size for value in weights.values())
    tokenizer_file, summary = models.read_bytes(needed / TOKENIZER), f"weights of {needed.name}"
    return _describe_fitted(job, model, weights, parameters, tokenizer_file, summary, "untouched")


def _describe_fitted(
    job: Job,
    model: LanguageModel,
    weights: dict[str, NDArray[Any]],
    parameters: int,
    tokenizer_file: bytes,
    summary: str,
    heading: str,
) -> FittedModel:
    """A model with its scores as epoch 0 of the history, and a sample."""
    splits = {name: read_split(job.store, name, model.tokenizer) for name in ("train", "valid")}
    with console.progress() as bar:
        task = bar.add_task(f"train {job.name}", total=sum(split.predictions for split in splits.values()))
        scores = {name: score_split(model, split, partial(bar.advance, task)) for name, split in splits.items()}
    row = {
        "epoch": 0.0,
        "learning_rate": 0.0,
        "train_perplexity": scores["train"].perplexity,
        "valid_perplexity": scores["valid"].perplexity,
        "valid_bits_per_character": splits["valid"].bits_per_character(scores["valid"].nats),
    }
    return FittedModel(
        weights,
        parameters,
        f"{summary}, valid perplexity {row['valid_perplexity']:.4g}",
        files={TOKENIZER: tokenizer_file},
        card={"alphabet": splits["train"].alphabet},
        history=[row],
        samples=[(heading, sample(model, job.experiment.sampling, job.experiment.seed))],
    )


def _plan_network(job: Job) -> NetworkPlan:
    from anamnesis.tasks.language.model.network import RecurrentNetwork, segment_loss
    from anamnesis.tasks.language.model.predictor import RecurrentPredictor
    from anamnesis.tasks.language.model.streams import StreamBatches, WindowBatches, validation_batches
    from anamnesis.tasks.language.model.transfer import start_model
    from anamnesis.training.fit import seed

    experiment = job.experiment
    source, start = job.store, None
    if experiment.needed_model:
        source = job.root / experiment.needs
        start = start_model(source, experiment.model)
    vocabulary = tokenizer.load(source / TOKENIZER)
    seed(experiment.seed)
    network = RecurrentNetwork(experiment.model, vocabulary.vocabulary_size)
    if start is not None:
        network.load_state_dict(start.network.state_dict())
    ids = read_split(job.store, "train", vocabulary).ids
    valid = read_split(job.store, "valid", vocabulary)
    settings = experiment.batches
    train: StreamBatches | WindowBatches
    if isinstance(settings, Streams):
        train, steps, truncate = StreamBatches(ids, settings, vocabulary.start_id), settings.steps, settings.truncate
    else:
        train = WindowBatches(ids, settings, vocabulary.start_id, experiment.seed)
        steps, truncate = settings.length, None

    def metrics(train: Sums, held_out: Sums) -> dict[str, float]:
        return perplexities(train, held_out) | {"valid_bits_per_character": valid.bits_per_character(held_out.total)}

    return NetworkPlan(
        network,
        partial(segment_loss, network, truncate=truncate),
        train,
        validation_batches(valid.ids, vocabulary.start_id),
        metrics,
        headline="valid_perplexity",
        unit="tokens",
        units=len(train) * settings.batch * steps,
        files={TOKENIZER: models.read_bytes(source / TOKENIZER)},
        card={"alphabet": valid.alphabet},
        sample=lambda epoch: sample(
            RecurrentPredictor(network, {}, vocabulary), experiment.sampling, experiment.seed + epoch
        ),
    )
