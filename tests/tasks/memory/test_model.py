"""The networks of a memory experiment: their size, their sequences, and the small language model."""

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import cross_entropy

from anamnesis.errors import AnamnesisError
from anamnesis.nn.stack import detach
from anamnesis.tasks.memory.model import text
from anamnesis.tasks.memory.model.budget import largest
from anamnesis.tasks.memory.model.network import text_network
from anamnesis.tasks.memory.model.sequences import PROBES, SPLITS, Sequences, adding, copy
from anamnesis.tasks.memory.settings import Training

# Gates of one layer.
GATES = {"rnn": 1, "rnn-relu": 1, "irnn": 1, "gru": 3, "lstm": 4}


def parameters_of(gates: int, hidden: int, features: int = 8) -> int:
    """PyTorch's layers have two biases for each gate."""
    return gates * hidden * (features + hidden + 2)


@pytest.mark.parametrize("architecture", GATES)
def test_the_largest_size_within_the_parameters(experiment, architecture):
    gates = GATES[architecture]
    for parameters in (1000, 54321):
        cell, count = largest(experiment(architecture, parameters=parameters))
        assert count == parameters_of(gates, cell.hidden) <= parameters < parameters_of(gates, cell.hidden + 1)


def test_all_layers_and_context_units_count(experiment):
    cell, count = largest(experiment("lstm", model={"layers": 3}, parameters=6000))
    assert count == parameters_of(4, cell.hidden) + 2 * parameters_of(4, cell.hidden, cell.hidden) <= 6000
    cell, count = largest(experiment("scrn", model={"share": 0.5}, parameters=6000))
    assert cell.context == round(cell.hidden / 2)
    assert 0.95 * 6000 < count <= 6000
    with pytest.raises(AnamnesisError, match="parameters: found 20; allowed: at least 33"):
        largest(experiment("gru").model_copy(update={"parameters": 20}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recall": {"lags": [0, 5]}}, "lags: found 0; allowed: at least 2"),
        ({"recall": {"lags": [5, 5]}}, "lags: found 5 after 5; allowed: each longer"),
        ({"model": {"hidden": 64}}, "hidden follows from `parameters`"),
        ({"model": {"dropout": 0.5}}, "dropout"),
        ({"model": {"norm": "batch"}}, "norm"),
    ],
)
def test_wrong_settings_are_refused(experiment, changes, message):
    with pytest.raises(ValidationError, match=message):
        experiment(**changes)


def test_copy_shows_symbols_then_blanks_then_the_cue():
    inputs, answers = copy(np.random.default_rng(1), 40, lag=5, symbols=3, alphabet=4)
    assert inputs.shape == (11, 40)
    assert answers.shape == (3, 40)
    for shown, asked in zip(inputs.T.tolist(), answers.T.tolist(), strict=True):
        assert shown == [symbol + 2 for symbol in asked] + [0] * 5 + [1, 0, 0]
    assert set(answers.flatten().tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("lag", [2, 5, 40])
def test_adding_marks_one_number_in_each_half(lag):
    inputs, answers = adding(np.random.default_rng(1), 100_000, lag)
    assert inputs.shape == (lag, 100_000, 2)
    numbers, marks = inputs.unbind(-1)
    assert ((marks == 0) | (marks == 1)).all()
    assert (marks[: lag // 2].sum(0) == 1).all()
    assert (marks[lag // 2 :].sum(0) == 1).all()
    assert ((numbers >= 0) & (numbers < 1)).all()
    torch.testing.assert_close(answers[0], (numbers * marks).sum(0))
    # The mean squared error of the constant answer 1 is the variance of the sum of two uniform numbers.
    assert (answers - 1).square().mean().item() == pytest.approx(1 / 6, abs=0.003)


@pytest.mark.parametrize("probe", PROBES)
def test_sequences_depend_on_seed_lag_and_split(probe):
    def first(seed: int, lag: int, split: str) -> torch.Tensor:
        return Sequences(probe, lag, 4, 8, seed, split).draw(100)[1]

    assert torch.equal(first(1, 10, "train"), first(1, 10, "train"))
    others = [first(1, 10, split) for split in SPLITS] + [first(2, 10, "train"), first(1, 20, "train")]
    for index, one in enumerate(others):
        assert not any(torch.equal(one, other) for other in others[index + 1 :])


IDS = np.random.default_rng(3).integers(0, 6, 500).astype(np.uint8)


def test_segments_follow_each_other_along_the_streams():
    pieces = list(text.segments(IDS, 4, 10))
    assert [len(inputs) for inputs, _ in pieces] == [10] * 12 + [4]
    inputs, targets = (torch.cat(each) for each in zip(*pieces, strict=True))
    for stream in range(4):
        assert inputs[:, stream].tolist() == IDS[stream * 124 : (stream + 1) * 124].tolist()
        assert targets[:, stream].tolist() == IDS[stream * 124 + 1 : (stream + 1) * 124 + 1].tolist()
    assert text.steps(500, Training(epochs=3, batch=4), 10) == 3 * 13
    with pytest.raises(AnamnesisError, match=r"training\.batch: found 500"):
        text.segments(IDS, 500, 10)


def test_same_as_truncated_bptt_written_by_hand(experiment):
    cell = experiment("lstm").model.with_hidden(9)
    torch.manual_seed(1)
    ours = text_network(cell, 4, 6)
    torch.manual_seed(1)
    theirs = text_network(cell, 4, 6)
    advanced = []
    norms = text.fit(ours, IDS, Training(batch=5, learning_rate=0.02, clip_norm=0.3), 15, lambda: advanced.append(1))

    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.02)
    streams = torch.from_numpy(IDS[:495].astype(np.int64)).view(5, 99).T
    follow = torch.from_numpy(IDS[1:496].astype(np.int64)).view(5, 99).T
    state, expected = theirs.stack.initial_state(5), []
    for start in range(0, 99, 15):
        logits, state = theirs(streams[start : start + 15], detach(state))
        loss = cross_entropy(logits.flatten(0, 1), follow[start : start + 15].flatten())
        optimizer.zero_grad()
        loss.backward()
        norm = math.sqrt(sum(each.grad.square().sum().item() for each in theirs.parameters()))
        for each in theirs.parameters():
            each.grad *= min(1.0, 0.3 / norm)
        expected.append((norm, min(norm, 0.3)))
        optimizer.step()
    np.testing.assert_allclose(norms, expected, rtol=1e-3)
    assert len(advanced) == len(norms) == text.steps(500, Training(batch=5), 15)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_perplexity_counts_every_token_given_all_before(experiment, monkeypatch):
    torch.manual_seed(2)
    network = text_network(experiment("gru").model.with_hidden(9), 4, 6)
    logits, _ = network(torch.from_numpy(IDS[:-1].astype(np.int64))[:, None])
    expected = cross_entropy(logits[:, 0], torch.from_numpy(IDS[1:].astype(np.int64))).exp().item()
    for chunk in (1000, 7):
        monkeypatch.setattr(text, "CHUNK", chunk)
        assert text.perplexity(network, IDS) == pytest.approx(expected, rel=1e-5)


def test_an_infinite_gradient_is_an_error(experiment):
    network = text_network(experiment("rnn").model.with_hidden(9), 4, 6)
    torch.nn.init.constant_(network.readout.bias, math.inf)
    with pytest.raises(AnamnesisError, match="at step 1; nothing was kept"):
        text.fit(network, IDS, Training(batch=5), 15, lambda: None)
