"""Recall at growing lags: when a probe is solved, when a training ends, and the span of a network of known memory."""

import math

import pytest
import torch
from torch import nn

from anamnesis.tasks.memory.model import recall
from anamnesis.tasks.memory.model.network import ProbeNetwork, recall_network
from anamnesis.tasks.memory.model.recall import Trial
from anamnesis.tasks.memory.settings import Recall


def test_span_ends_before_the_first_unsolved_lag():
    assert recall.span([]) == recall.span([(5, False), (10, True)]) == 0
    assert recall.span([(5, True), (10, True)]) == 10
    assert recall.span([(5, True), (10, False), (20, True)]) == 5


def test_lags_are_tried_up_to_the_first_unsolved():
    trials = []

    def solve(trial: Trial) -> bool:
        trials.append(trial)
        return trial.lag < 20

    assert recall.try_lags("copy", 7, [5, 10, 20, 40], solve) == [(5, True), (10, True), (20, False)]
    assert trials == [Trial("copy", 7, 5), Trial("copy", 7, 10), Trial("copy", 7, 20)]


def test_errors_are_multiples_of_the_allowed_error():
    allowed = Recall(accuracy=0.99, error=0.01)
    assert recall.error("copy", 0.99, allowed) == 1
    assert recall.error("copy", 0.98, allowed) == 2
    assert recall.error("adding", 0.005, allowed) == 0.5
    assert recall.error("adding", math.nan, allowed) == recall.error("adding", math.inf, allowed) == math.inf


def test_scores_of_known_answers(experiment):
    settings = experiment()
    for probe, bias, expected in (("copy", [0.0, 9.0, 0.0], 1 / 4), ("adding", [1.0], 0.5)):
        network = recall_network(probe, settings.model.with_hidden(4), settings)
        torch.nn.init.zeros_(network.readout.weight)
        with torch.no_grad():
            network.readout.bias.copy_(torch.tensor(bias))
        if probe == "copy":
            inputs, answers = torch.zeros(6, 2, dtype=torch.int64), torch.tensor([[1, 0], [2, 0]])
        else:
            inputs, answers = torch.zeros(6, 2, 2), torch.tensor([[1.0, 2.0]])
        assert recall.score(network, probe, inputs, answers) == expected


@pytest.mark.parametrize("probe", ["copy", "adding"])
def test_a_short_lag_is_solved_and_training_ends_there(experiment, probe):
    settings = experiment("gru", recall={"steps": 1500, "symbols": 1})
    torch.manual_seed(1)
    network = recall_network(probe, settings.model.with_hidden(14), settings)
    trial = Trial(probe, 1, 3)
    before = recall.score(network, probe, *recall.sequences(settings, trial, "valid").draw(50))
    assert recall.error(probe, before, settings.recall) > 1
    steps, score = recall.fit(network, trial, settings)
    assert 0 < steps < 1500
    assert steps % settings.recall.check == 0
    assert recall.error(probe, score, settings.recall) <= 0.5
    valid = recall.sequences(settings, trial, "valid").draw(50)
    assert recall.score(network, probe, *valid) == score
    test = recall.sequences(settings, trial, "test").draw(1000)
    assert recall.error(probe, recall.score(network, probe, *test), settings.recall) <= 2
    # A solved probe is not trained again.
    assert recall.fit(network, trial, settings) == (0, score)


@pytest.mark.parametrize(("architecture", "learning_rate"), [("rnn", 3.0), ("rnn-relu", 1e30)])
def test_the_best_weights_stay_where_later_ones_are_worse(experiment, architecture, learning_rate):
    """A learning rate of 1e30 makes the weights infinite, and ends the training."""
    changes = {"training": {"learning_rate": learning_rate}, "recall": {"check": 1, "steps": 40}}
    settings = experiment(architecture, **changes)
    torch.manual_seed(1)
    network = recall_network("adding", settings.model.with_hidden(8), settings)
    trial = Trial("adding", 1, 5)
    valid = recall.sequences(settings, trial, "valid").draw(50)
    before = recall.score(network, "adding", *valid)
    steps, score = recall.fit(network, trial, settings)
    assert steps == 40 if learning_rate == 3 else steps < 40
    assert score <= before
    assert recall.score(network, "adding", *valid) == score
    assert all(torch.isfinite(each).all() for each in network.parameters())


class DelayLine(nn.Module):
    """Remembers its last `slots` inputs, the newest among them."""

    def __init__(self, inputs: int, slots: int) -> None:
        super().__init__()
        self.inputs, self.slots, self.outputs = inputs, slots, inputs * slots

    def initial_state(self, batch: int) -> list[tuple[torch.Tensor, ...]]:
        return [(torch.zeros(batch, self.outputs),)]

    def forward(self, inputs: torch.Tensor, state: list[tuple[torch.Tensor, ...]]):
        past = state[0][0].unflatten(1, (self.slots, self.inputs)).transpose(0, 1)
        windows = torch.cat([past, inputs])[1:].unfold(0, self.slots, 1)
        outputs = windows.permute(0, 1, 3, 2).flatten(2)
        return outputs, [(outputs[-1],)]


@pytest.mark.parametrize("slots", [5, 9, 10, 12])
def test_span_of_a_delay_line_is_its_length(experiment, slots):
    """The answer to a symbol comes lag + symbols steps after it; the line must hold these steps and the present."""
    lags, symbols = [2, 3, 5, 7, 8, 10], 2
    settings = experiment(
        recall={"lags": lags, "symbols": symbols, "steps": 300}, training={"learning_rate": 0.05, "clip_norm": 10.0}
    )

    def solve(trial: Trial) -> bool:
        torch.manual_seed(1)
        network = ProbeNetwork(nn.Embedding(5, 4), DelayLine(4, slots), 3)
        _, score = recall.fit(network, trial, settings)
        return recall.error("copy", score, settings.recall) <= 1

    fits = [lag for lag in lags if lag + symbols + 1 <= slots]
    assert recall.span(recall.try_lags("copy", 1, lags, solve)) == max(fits)
