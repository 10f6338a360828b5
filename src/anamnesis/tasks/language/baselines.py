"""The language models that are counted instead of trained: the uniform one and n-grams."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console
from anamnesis import models as folders
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language import ngram, saved
from anamnesis.tasks.language.evaluation import evaluate_splits
from anamnesis.tasks.language.generation import generate
from anamnesis.tasks.language.protocol import NextTokenModel
from anamnesis.tasks.language.settings import Experiment, NGram, Uniform
from anamnesis.tasks.language.uniform import UniformModel


def fit(name: str, experiment: Experiment, root: Path, inputs: str) -> dict[str, Any]:
    """Count a baseline and write models/NAME, with one row of history, as epoch 0, and one sample.

    Args:
        inputs: `training.saved.inputs_digest` of the experiment and its token store.

    Returns:
        The card, model.json.

    Raises:
        AnamnesisError: the experiment is not a baseline, or its token store is missing or empty.
    """
    from anamnesis.data.stores.store import open_split, read_stats
    from anamnesis.data.tokenizers import tokenizer

    store = root / "data" / "tokens" / experiment.tokens
    stats, vocabulary = read_stats(store), tokenizer.load(store / saved.TOKENIZER)
    weights: dict[str, NDArray[Any]] = {}
    model: NextTokenModel
    match experiment.model:
        case Uniform():
            model = UniformModel({}, vocabulary)
        case NGram(order=order):
            weights = ngram.count(open_split(store, "train"), order, vocabulary.vocabulary_size, vocabulary.start_id)
            model = ngram.NGramModel({"model": {"order": order}}, weights, vocabulary)
        case other:
            raise AnamnesisError(f"{name}: found architecture {other.architecture}; allowed: uniform, ngram")
    scores = {
        split: found.metrics
        for split, found in evaluate_splits(f"train {name}", model, store, ("train", "valid")).items()
    }
    row = {
        "epoch": 0.0,
        "learning_rate": 0.0,
        "train_perplexity": scores["train"]["perplexity"],
        "valid_perplexity": scores["valid"]["perplexity"],
        "valid_bits_per_character": scores["valid"]["bits_per_character"],
    }
    sampling = experiment.sampling
    text = sampling.prompt + "".join(
        generate(
            model,
            sampling.prompt,
            sampling.length,
            temperature=sampling.temperature,
            top_k=sampling.top_k,
            seed=experiment.seed,
        )
    )
    parameters = sum(int(np.count_nonzero(array)) for key, array in weights.items() if key.startswith("counts"))
    card = folders.new_card(name, experiment, stats, parameters, None, inputs) | {"alphabet": stats["alphabet"]}
    more = {saved.TOKENIZER: folders.read_bytes(store / saved.TOKENIZER)}
    card = folders.store(root, name, weights, card, more, [row], [("after counting", text)])
    console.summary("train", name, f"{parameters:,} counts, valid perplexity {row['valid_perplexity']:.4g}")
    return card
