"""Recurrent language models: truncated BPTT, and the same distributions for a batch, a segment and a single step."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from anamnesis.data.tokenizers import tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.nn.stack import detach
from anamnesis.tasks.language.model.network import RecurrentNetwork, segment_loss
from anamnesis.tasks.language.model.predictor import RecurrentPredictor
from anamnesis.tasks.language.model.states import states
from anamnesis.tasks.language.model.streams import IGNORED, Batch
from anamnesis.tasks.language.settings import Model

MODELS = {
    "rnn": {"architecture": "rnn", "hidden": 9, "layers": 2},
    "gru, tied": {"architecture": "gru", "hidden": 9, "tied": True},
    "lstm, adaptive": {"architecture": "lstm", "hidden": 16, "layers": 2, "softmax": "adaptive"},
    "lstm, embedding": {"architecture": "lstm", "hidden": 9, "embedding": 5, "dropout": 0.5},
    "lstm from its gates, residual": {"architecture": "lstm-gates", "hidden": 9, "layers": 3, "residual": True},
    "gru, batch norm, residual": {"architecture": "gru", "hidden": 9, "norm": "batch", "residual": True},
    "scrn, adaptive": {"architecture": "scrn", "hidden": 12, "context": 5, "layers": 2, "softmax": "adaptive"},
}
STEPS, STREAMS, VOCABULARY = 12, 3, 7


def new_predictor(settings: dict[str, Any], stores: Path, kind: str = "words") -> RecurrentPredictor:
    vocabulary = tokenizer.load(stores / "data" / "tokens" / kind / "tokenizer.json")
    torch.manual_seed(0)
    network = RecurrentNetwork(TypeAdapter(Model).validate_python(settings), vocabulary.vocabulary_size)
    with torch.no_grad():
        for value in network.parameters():
            # An untrained network's distributions are almost uniform.
            value.mul_(2 if "norm" in settings else 4)
    return RecurrentPredictor(network.eval(), {"model": settings}, vocabulary)


@pytest.fixture(params=MODELS)
def predictor(request, stores):
    return new_predictor(MODELS[request.param], stores)


@pytest.fixture
def ids(predictor):
    return np.random.default_rng(0).integers(predictor.tokenizer.vocabulary_size, size=(2, 40))


def test_distributions_sum_to_one_without_the_start_of_a_sentence(predictor, ids):
    scores, _ = predictor.predict(ids, predictor.initial_state(2))
    assert scores.shape == (2, 40, predictor.tokenizer.vocabulary_size)
    np.testing.assert_allclose(np.exp(scores.astype(np.float64)).sum(-1), 1, atol=1e-5)
    assert np.isneginf(scores[..., predictor.tokenizer.start_id]).all()


def test_a_batch_gives_the_same_as_segments_of_single_texts(predictor, ids):
    whole, _ = predictor.predict(ids, predictor.initial_state(2))
    for row in range(2):
        state = predictor.read(ids[row : row + 1, :13], predictor.initial_state())
        tail, _ = predictor.predict(ids[row : row + 1, 13:], state)
        np.testing.assert_allclose(tail[0], whole[row, 13:], atol=1e-4)


def test_single_steps_give_the_same_up_to_a_constant(predictor, ids):
    whole, _ = predictor.predict(ids[:1], predictor.initial_state())
    _, state = predictor.predict(ids[:1, :10], predictor.initial_state())
    step = predictor.stepper(state)
    possible = np.arange(predictor.tokenizer.vocabulary_size) != predictor.tokenizer.start_id
    for place in range(10, 40):
        scores = step(int(ids[0, place])).astype(np.float64)[possible]
        scores -= np.log(np.exp(scores).sum())
        np.testing.assert_allclose(scores, whole[0, place, possible], atol=1e-4)


def test_the_loss_is_the_sum_over_targets_that_are_not_ignored(predictor, ids):
    network = predictor.network
    inputs, targets = torch.from_numpy(ids.T[:-1].copy()), torch.from_numpy(ids.T[1:].copy())
    targets[::3] = IGNORED
    with torch.no_grad():
        outputs, _ = network(inputs, network.stack.initial_state(2))
        log_p = network.log_probabilities(outputs)
        places = [(time, row) for time in range(39) for row in range(2) if targets[time, row] != IGNORED]
        expected = -sum(log_p[time, row, targets[time, row]] for time, row in places)
        torch.testing.assert_close(network.loss(outputs, targets), expected, rtol=1e-4, atol=1e-3)
        last = network.loss(outputs, targets[-1:])
        torch.testing.assert_close(last, network.loss(outputs[-1:], targets[-1:]))


@pytest.fixture(params=["rnn", "lstm"])
def network(request):
    torch.manual_seed(0)
    settings = {"architecture": request.param, "hidden": 5, "layers": 2}
    return RecurrentNetwork(TypeAdapter(Model).validate_python(settings), VOCABULARY).double()


def batches(count: int) -> list[Batch]:
    ids = torch.randint(VOCABULARY, (count * STEPS + 1, STREAMS), generator=torch.Generator().manual_seed(1))
    parts = [slice(first, first + STEPS) for first in range(0, count * STEPS, STEPS)]
    return [(ids[part], ids[part.start + 1 : part.stop + 1], index == 0) for index, part in enumerate(parts)]


def gradients(network: RecurrentNetwork, truncate: int | None) -> list[Any]:
    """The loss of the second of two segments, and its gradients."""
    state = None
    for batch in batches(2):
        loss = segment_loss(network, batch, state, truncate)
        state = loss.state
    network.zero_grad()
    loss.total.backward()
    return [loss.total.detach(), *(value.grad for value in network.parameters())]


@pytest.mark.parametrize("truncate", [1, 5])
def test_the_gradient_goes_back_to_the_last_cut_and_no_further(network, truncate):
    result = gradients(network, truncate)
    # Each part's loss by itself, from a state that has no gradient.
    ids, targets = (torch.cat([batch[part] for batch in batches(2)]) for part in (0, 1))
    network.zero_grad()
    total = torch.zeros(())
    for first, last in itertools.pairwise([*range(STEPS, 2 * STEPS, truncate), 2 * STEPS]):
        with torch.no_grad():
            _, state = network(ids[:first], network.stack.initial_state(STREAMS))
        outputs, _ = network(ids[first:last], detach(state))
        total = total + network.loss(outputs, targets[first:last])
    total.backward()
    torch.testing.assert_close(result, [total.detach(), *(value.grad for value in network.parameters())])


def test_without_a_cut_the_gradient_is_that_of_the_whole_segment(network):
    whole = gradients(network, None)
    torch.testing.assert_close(gradients(network, STEPS), whole)
    cut = gradients(network, 1)
    torch.testing.assert_close(cut[0], whole[0])
    assert not torch.allclose(cut[-3], whole[-3])


def test_states_are_mean_and_last_of_the_outputs_in_batches_of_any_size(stores):
    model = new_predictor({"architecture": "lstm", "layers": 2, "hidden": 12}, stores, "characters")
    texts = ["a", "the import statement", "x" * 700, "The unknown þ has a state, too."]
    rows = []
    for text in texts:
        ids = torch.from_numpy(model.tokenizer.encode(text))[:, None]
        with torch.inference_mode():
            outputs = model.network(ids, model.network.stack.initial_state(1))[0][:, 0]
        rows.append(np.concatenate([outputs.mean(0), outputs[-1]]))
    for batch in (1, 3, 64):
        np.testing.assert_allclose(states(model, texts, batch), rows, atol=1e-6)
    with pytest.raises(AnamnesisError, match="text 2 of 2 has no token"):
        states(model, ["a", ""])
