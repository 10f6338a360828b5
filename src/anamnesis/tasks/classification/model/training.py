"""The training of a classifier of documents: a network with its data and loss, or a fitted baseline."""

from anamnesis import models
from anamnesis.data.stores.documents import open_documents
from anamnesis.data.stores.store import read_stats
from anamnesis.data.tokenizers import tokenizer as tokenizers
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.classification.model import tfidf
from anamnesis.tasks.classification.model.documents import TOKENIZER
from anamnesis.tasks.classification.settings import TfIdf
from anamnesis.training.plan import FittedModel, Job, Plan


def plan_training(job: Job) -> Plan:
    """The network that classifies documents, with its data and loss; or the fitted baseline.

    Raises:
        AnamnesisError: the token store holds no documents, or documents of one label, or a document holds nothing that
            the model can read, or the language model is damaged.
    """
    labels = read_stats(job.store).get("labels", [])
    if len(labels) < 2:
        raise AnamnesisError(f"{job.store}: found documents of {len(labels)} labels; allowed: two or more")
    if isinstance(job.experiment.model, TfIdf):
        return _fit_tfidf(job, job.experiment.model, labels)
    from anamnesis.tasks.classification.model.plans import plan_network

    return plan_network(job, labels)


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
