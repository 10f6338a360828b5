"""The context that a model uses: by closed forms where it is known, else by reading window after window."""

from math import exp
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from anamnesis.data.stores.store import open_split
from anamnesis.data.tokenizers import tokenizer
from anamnesis.tasks.language.evaluation import context
from anamnesis.tasks.language.model.network import RecurrentNetwork
from anamnesis.tasks.language.model.predictor import RecurrentPredictor
from anamnesis.tasks.language.model.scores import score_split
from anamnesis.tasks.language.model.text import Split
from anamnesis.tasks.language.settings import Model


def carried(model, ids):
    return score_split(model, Split(Path("toy.npy"), ids, {}, 2), keep=True).log_probabilities


@pytest.mark.parametrize("kind", ["characters", "words"])
@pytest.mark.parametrize("order", [2, 3, 5])
def test_an_ngram_model_uses_one_token_less_than_its_order(stores, baseline, kind, order):
    model = baseline(kind, order=order)
    ids = open_split(stores / "data" / "tokens" / kind, "train")[:6000]
    result = context.measure_context(model, ids, carried(model, ids))
    assert result.tokens == [1, 2, 4, 8, 16, 32, 64]
    for k, perplexity in zip(result.tokens, result.perplexities, strict=True):
        assert (perplexity == pytest.approx(result.full, rel=1e-9)) is (k >= order - 1)
    assert result.span == order - 1


@pytest.fixture
def network(stores):
    torch.manual_seed(0)
    vocabulary = tokenizer.load(stores / "data" / "tokens" / "words" / "tokenizer.json")
    settings = TypeAdapter(Model).validate_python({"architecture": "lstm", "hidden": 8, "layers": 2})
    weights = RecurrentNetwork(settings, vocabulary.vocabulary_size).eval()
    with torch.no_grad():
        for value in weights.parameters():
            value.mul_(4)
    return RecurrentPredictor(weights, {}, vocabulary)


def test_windows_in_batches_give_the_same_as_one_by_one(stores, network):
    ids = open_split(stores / "data" / "tokens" / "words", "train")[:700].astype(np.int64)
    log_probabilities = carried(network, ids)
    result = context.measure_context(network, ids, log_probabilities)
    places = [place for place in range(64, len(ids)) if ids[place] != network.tokenizer.start_id]
    assert result.full == pytest.approx(exp(-np.mean([log_probabilities[place - 1] for place in places])))
    for k, perplexity in zip(result.tokens, result.perplexities, strict=True):
        if k in (1, 8):
            losses = []
            for place in places:
                rows, _ = network.predict(ids[None, place - k : place], network.initial_state())
                losses.append(-rows[0, -1, ids[place]])
            assert perplexity == pytest.approx(exp(np.mean(losses)), rel=1e-5)


def test_more_than_usual_is_read_while_it_helps(stores, network):
    ids = open_split(stores / "data" / "tokens" / "words", "train")[:3000]
    # A carried state that predicts every token: no window is as good.
    result = context.measure_context(network, ids, np.zeros(len(ids) - 1))
    assert result.tokens == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert (result.full, result.span) == (1.0, None)


def test_the_span_is_the_first_k_from_which_on_all_are_within_the_tolerance():
    assert context.Context([1, 2, 4, 8], [9.0, 5.09, 5.2, 5.05], 5.0).span == 8
    assert context.Context([1, 2, 4, 8], [9.0, 5.09, 5.1, 4.9], 5.0).span == 2
    assert context.Context([1, 2], [9.0, 8.0], 5.0).span is None


def test_a_short_text_has_no_result(network):
    assert context.measure_context(network, np.full(90, 3), np.zeros(89)) is None
