"""The context a model uses: by closed forms where it is known, by reading window after window where it is not."""

from math import exp

import numpy as np
import pytest
import torch

from anamnesis.data.stores.store import open_split
from anamnesis.data.tokenizers import tokenizer
from anamnesis.tasks.language import context, saved
from anamnesis.tasks.language.evaluation import evaluate_split
from anamnesis.tasks.language.network import RecurrentNetwork, RecurrentPredictor
from anamnesis.tasks.language.protocol import StateReader
from anamnesis.tasks.language.settings import Recurrent


class Reader:
    """An n-gram model that can be read like a network."""

    def __init__(self, model):
        self.card, self.tokenizer, self.model = model.card, model.tokenizer, model
        self.initial_state, self.predict = model.initial_state, model.predict

    def read(self, ids, state):
        return self.predict(ids, state)[1]


def carried(model, ids):
    return evaluate_split(model, ids, {"characters": 1, "unknown_characters": 0}, 2, keep=True).log_probabilities


@pytest.mark.parametrize("kind", ["characters", "words"])
@pytest.mark.parametrize("order", [2, 3, 5])
def test_an_ngram_model_uses_one_token_less_than_its_order(stores, trained, kind, order):
    model = Reader(saved.load(trained(kind, order=order)))
    ids = open_split(stores / "data" / "tokens" / kind, "train")[:6000]
    found = context.cut(model, ids, carried(model.model, ids))
    assert found.tokens == [1, 2, 4, 8, 16, 32, 64]
    for k, perplexity in zip(found.tokens, found.perplexities, strict=True):
        assert (perplexity == pytest.approx(found.full, rel=1e-9)) is (k >= order - 1)
    assert found.span == order - 1


@pytest.fixture
def network(stores):
    torch.manual_seed(0)
    vocabulary = tokenizer.load(stores / "data" / "tokens" / "words" / "tokenizer.json")
    settings = Recurrent(architecture="lstm", hidden=8, layers=2)
    weights = RecurrentNetwork(settings, vocabulary.vocabulary_size).eval()
    with torch.no_grad():
        for value in weights.parameters():
            value.mul_(4)
    return RecurrentPredictor(weights, {}, vocabulary)


def test_windows_are_read_as_one_by_one(stores, network):
    ids = open_split(stores / "data" / "tokens" / "words", "train")[:700].astype(np.int64)
    log_probabilities = carried(network, ids)
    found = context.cut(network, ids, log_probabilities)
    places = [place for place in range(64, len(ids)) if ids[place] != network.tokenizer.start_id]
    assert found.full == pytest.approx(exp(-np.mean([log_probabilities[place - 1] for place in places])))
    for k, perplexity in zip(found.tokens, found.perplexities, strict=True):
        if k in (1, 8):
            losses = []
            for place in places:
                rows, _ = network.predict(ids[None, place - k : place], network.initial_state())
                losses.append(-rows[0, -1, ids[place]])
            assert perplexity == pytest.approx(exp(np.mean(losses)), rel=1e-5)


def test_reading_leaves_the_state_that_predicting_leaves(network):
    assert isinstance(network, StateReader)
    ids = np.array([[3, 4, 5, 6], [7, 8, 9, 3]])
    read, predicted = network.read(ids, network.initial_state(2)), network.predict(ids, network.initial_state(2))[1]
    for one, other in zip(read, predicted, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_more_than_usual_is_read_only_while_it_helps(stores, network):
    ids = open_split(stores / "data" / "tokens" / "words", "train")[:3000]
    # A carried state that foresees everything: no window comes near it.
    found = context.cut(network, ids, np.zeros(len(ids) - 1))
    assert found.tokens == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert (found.full, found.span) == (1.0, None)


def test_the_span_is_where_nothing_is_lost_any_more():
    assert context.Context([1, 2, 4, 8], [9.0, 5.09, 5.2, 5.05], 5.0).span == 8
    assert context.Context([1, 2, 4, 8], [9.0, 5.09, 5.1, 4.9], 5.0).span == 2
    assert context.Context([1, 2], [9.0, 8.0], 5.0).span is None


def test_a_short_text_says_nothing(network):
    assert context.cut(network, np.full(90, 3), np.zeros(89)) is None


def test_rows_end_with_the_carried_state():
    rows = context.csv_rows("test", context.Context([1, 2], [4.0, 3.25], 3.0))
    assert rows == [("test", "1", "4"), ("test", "2", "3.25"), ("test", "", "3")]
