"""The recurrent predictor: the same distributions however a text is cut, in batches, and one step at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from anamnesis.data.tokenizers import tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.network import RecurrentNetwork, RecurrentPredictor, load_recurrent
from anamnesis.tasks.language.settings import Model
from anamnesis.tasks.language.streams import IGNORED

MODELS = {
    "rnn": {"architecture": "rnn", "hidden": 9, "layers": 2},
    "gru, tied": {"architecture": "gru", "hidden": 9, "tied": True},
    "lstm, adaptive": {"architecture": "lstm", "hidden": 16, "layers": 2, "softmax": "adaptive"},
    "lstm, embedding": {"architecture": "lstm", "hidden": 9, "embedding": 5, "dropout": 0.5},
    "lstm from its gates, residual": {"architecture": "lstm-gates", "hidden": 9, "layers": 3, "residual": True},
    "rnn, layer norm": {"architecture": "rnn", "hidden": 9, "layers": 2, "norm": "layer"},
    "gru, batch norm, residual": {"architecture": "gru", "hidden": 9, "norm": "batch", "residual": True},
    "scrn, adaptive": {"architecture": "scrn", "hidden": 12, "context": 5, "layers": 2, "softmax": "adaptive"},
    "scrn, tanh": {"architecture": "scrn", "hidden": 9, "context": 5, "activation": "tanh", "feed": "previous"},
}


@pytest.fixture(params=MODELS)
def predictor(request: pytest.FixtureRequest, stores: Path) -> RecurrentPredictor:
    vocabulary = tokenizer.load(stores / "data" / "tokens" / "words" / "tokenizer.json")
    torch.manual_seed(0)
    network = RecurrentNetwork(TypeAdapter(Model).validate_python(MODELS[request.param]), vocabulary.vocabulary_size)
    with torch.no_grad():
        for value in network.parameters():
            # Far from the beginning, where all distributions are alike; a normalised layer is loud as it is.
            value.mul_(2 if "norm" in MODELS[request.param] else 4)
    return RecurrentPredictor(network.eval(), {"model": MODELS[request.param]}, vocabulary)


@pytest.fixture
def ids(predictor: RecurrentPredictor) -> np.ndarray:
    return np.random.default_rng(0).integers(predictor.tokenizer.vocabulary_size, size=(2, 40))


def test_distributions_sum_to_one_and_never_start_a_sentence(predictor: RecurrentPredictor, ids: np.ndarray) -> None:
    scores, _ = predictor.predict(ids, predictor.initial_state(2))
    assert scores.shape == (2, 40, predictor.tokenizer.vocabulary_size)
    np.testing.assert_allclose(np.exp(scores.astype(np.float64)).sum(-1), 1, atol=1e-5)
    assert np.isneginf(scores[..., predictor.tokenizer.start_id]).all()


def test_a_batch_or_a_cut_changes_nothing(predictor: RecurrentPredictor, ids: np.ndarray) -> None:
    whole, _ = predictor.predict(ids, predictor.initial_state(2))
    for row in range(2):
        head, state = predictor.predict(ids[row : row + 1, :13], predictor.initial_state())
        tail, _ = predictor.predict(ids[row : row + 1, 13:], state)
        np.testing.assert_allclose(np.concatenate([head, tail], axis=1)[0], whole[row], atol=1e-4)


def test_single_steps_say_the_same_up_to_a_constant(predictor: RecurrentPredictor, ids: np.ndarray) -> None:
    whole, _ = predictor.predict(ids[:1], predictor.initial_state())
    _, state = predictor.predict(ids[:1, :10], predictor.initial_state())
    step = predictor.stepper(state)
    possible = np.arange(predictor.tokenizer.vocabulary_size) != predictor.tokenizer.start_id
    for place in range(10, 40):
        scores = step(int(ids[0, place])).astype(np.float64)[possible]
        scores -= np.log(np.exp(scores).sum())
        np.testing.assert_allclose(scores, whole[0, place, possible], atol=1e-4)


def test_loss_is_the_sum_over_targets_that_count(predictor: RecurrentPredictor, ids: np.ndarray) -> None:
    network = predictor.network
    inputs, targets = torch.from_numpy(ids.T[:-1].copy()), torch.from_numpy(ids.T[1:].copy())
    targets[::3] = IGNORED
    with torch.no_grad():
        outputs, _ = network(inputs, network.stack.initial_state(2))
        log_p = network.log_probabilities(outputs)
        expected = -sum(
            log_p[time, row, targets[time, row]]
            for time in range(39)
            for row in range(2)
            if targets[time, row] != IGNORED
        )
        torch.testing.assert_close(network.loss(outputs, targets), expected, rtol=1e-4, atol=1e-3)
        last = network.loss(outputs, targets[-1:])
        torch.testing.assert_close(last, network.loss(outputs[-1:], targets[-1:]))


def test_a_stored_network_says_the_same(predictor: RecurrentPredictor, ids: np.ndarray) -> None:
    weights = {name: value.detach().numpy() for name, value in predictor.network.named_parameters()}
    again = load_recurrent(predictor.card, weights, predictor.tokenizer)
    expected, _ = predictor.predict(ids, predictor.initial_state(2))
    assert np.array_equal(again.predict(ids, again.initial_state(2))[0], expected)


def test_weights_of_another_shape_are_refused_before_memory_is_taken(predictor: RecurrentPredictor) -> None:
    weights = {name: value.detach().numpy() for name, value in predictor.network.named_parameters()}
    greedy: dict[str, Any] = {"model": {"architecture": "lstm", "hidden": 65536}}
    with pytest.raises(AnamnesisError, match=r"embedding\.weight has shape .* but model\.json describes"):
        load_recurrent(greedy, weights, predictor.tokenizer)
