"""Recall at growing lags: what counts as solved, when a training ends, and how far a cell gets."""

import math

import pytest
import torch
from torch import nn

from anamnesis.tasks.memory import recall
from anamnesis.tasks.memory.network import ProbeNetwork, recall_network
from anamnesis.tasks.memory.recall import Place
from anamnesis.tasks.memory.settings import Recall


@pytest.mark.parametrize(
    ("solved", "span"),
    [
        ([], 0),
        ([(5, False)], 0),
        ([(5, True), (10, True)], 10),
        ([(5, True), (10, False)], 5),
        ([(5, True), (10, False), (20, True)], 5),
        ([(5, False), (10, True)], 0),
    ],
)
def test_span_ends_before_the_first_lag_unsolved(solved: list[tuple[int, bool]], span: int) -> None:
    assert recall.span(solved) == span


def test_ladder_goes_on_until_a_lag_is_unsolved() -> None:
    asked = []

    def climb(place: Place) -> bool:
        asked.append(place)
        return place.lag < 20

    assert recall.ladder("copy", 7, [5, 10, 20, 40], climb) == [(5, True), (10, True), (20, False)]
    assert asked == [Place("copy", 7, 5), Place("copy", 7, 10), Place("copy", 7, 20)]


def test_errors_are_measured_by_what_is_allowed() -> None:
    allowed = Recall(accuracy=0.99, error=0.01)
    assert recall.error("copy", 0.99, allowed) == 1
    assert recall.error("copy", 0.98, allowed) == 2
    assert recall.error("adding", 0.005, allowed) == 0.5
    assert recall.error("adding", math.nan, allowed) == recall.error("adding", math.inf, allowed) == math.inf


def test_scores_of_known_answers(experiment) -> None:
    settings = experiment()
    for probe, bias, expected in (("copy", [0.0, 9.0, 0.0], 1 / 4), ("adding", [1.0], 0.5)):
        network = recall_network(probe, settings.model.sized(4), settings)
        torch.nn.init.zeros_(network.readout.weight)
        with torch.no_grad():
            network.readout.bias.copy_(torch.tensor(bias))
        if probe == "copy":
            inputs, answers = torch.zeros(6, 2, dtype=torch.int64), torch.tensor([[1, 0], [2, 0]])
        else:
            inputs, answers = torch.zeros(6, 2, 2), torch.tensor([[1.0, 2.0]])
        assert recall.score(network, probe, inputs, answers) == expected


@pytest.mark.parametrize("probe", ["copy", "adding"])
def test_a_short_lag_is_solved_and_training_ends_there(experiment, probe) -> None:
    settings = experiment("gru", recall={"steps": 1500, "symbols": 1})
    torch.manual_seed(1)
    network = recall_network(probe, settings.model.sized(14), settings)
    place = Place(probe, 1, 3)
    before = recall.score(network, probe, *recall.sequences(settings, place, "valid").draw(50))
    assert recall.error(probe, before, settings.recall) > 1
    steps, score = recall.fit(network, place, settings)
    assert 0 < steps < 1500
    assert steps % settings.recall.check == 0
    assert recall.error(probe, score, settings.recall) <= 0.5
    valid = recall.sequences(settings, place, "valid").draw(50)
    assert recall.score(network, probe, *valid) == score
    test = recall.sequences(settings, place, "test").draw(1000)
    assert recall.error(probe, recall.score(network, probe, *test), settings.recall) <= 2
    # What is solved already is not trained again.
    assert recall.fit(network, place, settings) == (0, score)


def test_the_best_weights_are_kept(experiment) -> None:
    settings = experiment("rnn", training={"learning_rate": 3.0}, recall={"check": 1, "steps": 40})
    torch.manual_seed(1)
    network = recall_network("adding", settings.model.sized(8), settings)
    place = Place("adding", 1, 5)
    valid = recall.sequences(settings, place, "valid").draw(50)
    before = recall.score(network, "adding", *valid)
    steps, score = recall.fit(network, place, settings)
    assert steps == 40
    assert score <= before
    assert recall.score(network, "adding", *valid) == score


def test_a_training_that_diverges_leaves_numbers(experiment) -> None:
    settings = experiment("rnn-relu", training={"learning_rate": 1e30}, recall={"check": 1})
    torch.manual_seed(1)
    network = recall_network("adding", settings.model.sized(8), settings)
    steps, score = recall.fit(network, Place("adding", 1, 5), settings)
    assert steps < settings.recall.steps
    assert math.isfinite(score)
    assert all(torch.isfinite(each).all() for each in network.parameters())


class DelayLine(nn.Module):
    """Remembers its last `slots` inputs, the newest among them, and nothing before."""

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
def test_span_of_a_delay_line_is_what_fits_into_it(experiment, slots: int) -> None:
    """A symbol is asked for lag + symbols steps after it was shown, so that step and the present one must fit."""
    lags, symbols = [2, 3, 5, 7, 8, 10], 2
    settings = experiment(
        recall={"lags": lags, "symbols": symbols, "steps": 300}, training={"learning_rate": 0.05, "clip_norm": 10.0}
    )

    def climb(place: Place) -> bool:
        torch.manual_seed(1)
        network = ProbeNetwork(nn.Embedding(5, 4), DelayLine(4, slots), 3)
        _, score = recall.fit(network, place, settings)
        return recall.error("copy", score, settings.recall) <= 1

    fits = [lag for lag in lags if lag + symbols + 1 <= slots]
    assert recall.span(recall.ladder("copy", 1, lags, climb)) == max(fits)
