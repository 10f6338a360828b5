"""The training of a cloze model: from sentences and settings to batches, network and loss, or to word counts."""

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.stores.store import open_split, read_stats
from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.models import read_bytes
from anamnesis.tasks.cloze.model.blanks import TOKENIZER, Unknown, find_candidates, split_sentences, unknown_words
from anamnesis.tasks.cloze.model.cloze_model import ClozeModel, examples, neural, scores, unigram
from anamnesis.tasks.cloze.settings import Reader
from anamnesis.training.plan import FittedModel, Job, NetworkPlan, Plan, Sums, perplexity

# Sentences in a validation batch: nothing is learned from them, so the size changes the time only.
VALID_BATCH = 32

Texts = dict[str, list[NDArray[np.int64]]]
"""The sentences (tokens,) of the training and the validation split."""


def plan_training(job: Job) -> Plan:
    """The network that fills blanks, with its data and loss, or the counts of words.

    Raises:
        AnamnesisError: the tokens are not words, or a split holds no word.
    """
    stats, vocabulary = read_stats(job.store), tokenizer.load(job.store / TOKENIZER)
    candidates = find_candidates(vocabulary)
    texts = {name: split_sentences(np.asarray(open_split(job.store, name)), vocabulary) for name in ("train", "valid")}
    for name, sentences in texts.items():
        if not any(candidates[sentence].any() for sentence in sentences):
            raise AnamnesisError(f"{job.store / name}.npy: found no word to hide")
    unknown = {name: unknown_words(job.store, name, stats, candidates) for name in texts}
    if isinstance(job.experiment.model, Reader):
        return _plan_network(job, vocabulary, candidates, texts, unknown)
    counts = (np.bincount(np.concatenate(texts["train"]), minlength=len(candidates)) * candidates).astype(np.int64)
    model = ClozeModel({}, vocabulary, candidates, unigram(counts))
    train, valid = (scores(model, texts[name], unknown[name]) for name in ("train", "valid"))
    row = {
        "epoch": 0,
        "learning_rate": 0.0,
        "train_perplexity": train["perplexity"],
        "valid_perplexity": valid["perplexity"],
        "valid_accuracy": valid["accuracy"],
    }
    parameters = int(candidates.sum())
    return FittedModel(
        {"counts": counts},
        parameters,
        f"{parameters:,} counts, valid perplexity {row['valid_perplexity']:.4g}",
        files={TOKENIZER: read_bytes(job.store / TOKENIZER)},
        history=[row],
        samples=[("after counting", _sample(model, texts["valid"]))],
    )


def _plan_network(
    job: Job,
    vocabulary: Tokenizer,
    candidates: NDArray[np.bool_],
    texts: Texts,
    unknown: dict[str, Unknown],
) -> NetworkPlan:
    """The plan of a network; its perplexities include `unknown` words, of which it learns nothing."""
    import torch

    from anamnesis.tasks.cloze.model.batches import SentenceBatches
    from anamnesis.tasks.cloze.model.network import ClozeNetwork, cloze_loss
    from anamnesis.training.fit import seed

    experiment = job.experiment
    seed(experiment.seed)
    network = ClozeNetwork(experiment.model, candidates)
    model = ClozeModel({}, vocabulary, candidates, neural(network))

    def metrics(train: Sums, valid: Sums) -> dict[str, float]:
        return {
            "train_perplexity": _perplexity(unknown["train"], train),
            "valid_perplexity": _perplexity(unknown["valid"], valid),
            "valid_accuracy": float(valid.more["hits"]) / max(valid.count + unknown["valid"].words, 1.0),
        }

    return NetworkPlan(
        network,
        lambda batch, state: cloze_loss(network, batch),
        SentenceBatches(texts["train"], candidates, experiment.batch, experiment.seed),
        SentenceBatches(texts["valid"], candidates, VALID_BATCH, None),
        metrics,
        headline="valid_perplexity",
        unit="blanks",
        units=sum(int(candidates[sentence].sum()) for sentence in texts["train"]),
        sums={"hits": torch.zeros((), dtype=torch.float64)},
        files={TOKENIZER: read_bytes(job.store / TOKENIZER)},
        sample=lambda epoch: _sample(model, texts["valid"]),
    )


def _perplexity(unknown: Unknown, sums: Sums) -> float:
    """The perplexity of all blanks of a split, from the losses of its known words."""
    return perplexity(unknown.total(sums.total, int(sums.count)) / max(sums.count + unknown.words, 1.0))


def _sample(model: ClozeModel, sentences: list[NDArray[np.int64]]) -> str:
    """A sentence with a blank, the true word, and the model's guesses."""
    lines = []
    for each in examples(model, sentences, 1):
        guesses = ", ".join(f"{word} {probability:.3f}" for word, probability in each.guesses)
        lines.append(f"{each.text}\n{each.word} {each.probability:.3f}; guessed: {guesses}")
    return "\n".join(lines)
