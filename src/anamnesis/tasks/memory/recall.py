"""Recall at growing lags: networks are trained until they solve a task, then at the next lag, until one is too long."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss
from torch.nn.utils import clip_grad_norm_

from anamnesis.tasks.memory.network import ProbeNetwork
from anamnesis.tasks.memory.settings import Experiment, Recall
from anamnesis.tasks.memory.tasks import Probe, Sequences


@dataclass(frozen=True, order=True)
class Place:
    """One training of recall: the task, the number of the network, the lag."""

    probe: Probe
    seed: int
    lag: int


def sequences(experiment: Experiment, place: Place, split: str) -> Sequences:
    """The sequences of a split that a network is trained on, chosen by, or tested with."""
    recall = experiment.recall
    return Sequences(place.probe, place.lag, recall.symbols, recall.alphabet, place.seed, split)


def loss(network: ProbeNetwork, probe: Probe, inputs: Tensor, answers: Tensor) -> Tensor:
    """Mean cross-entropy of the copied symbols, or mean squared error of the sums. Shapes as `tasks` has them."""
    said, _ = network(inputs, last=len(answers))
    if probe == "copy":
        return cross_entropy(said.flatten(0, 1), answers.flatten())
    return mse_loss(said.squeeze(-1), answers)


@torch.no_grad()
def score(network: ProbeNetwork, probe: Probe, inputs: Tensor, answers: Tensor) -> float:
    """Share of the copied symbols that are right, or mean squared error of the sums."""
    said, _ = network(inputs, last=len(answers))
    if probe == "copy":
        return float((said.argmax(-1) == answers).double().mean())
    return float(mse_loss(said.squeeze(-1).double(), answers.double()))


def error(probe: Probe, value: float, recall: Recall) -> float:
    """A score as an error in units of what is allowed: at most 1 is solved; infinite for a score that is no number."""
    wrong = (1 - value) / (1 - recall.accuracy) if probe == "copy" else value / recall.error
    # Scores are shares of whole numbers of symbols: 0.99 must meet 0.99.
    return round(wrong, 9) if wrong == wrong else float("inf")


def fit(network: ProbeNetwork, place: Place, experiment: Experiment) -> tuple[int, float]:
    """Train a network at one lag on sequences that are always new; it ends with its best weights on validation.

    The training ends when the validation error is half of what is allowed, so that what chance adds to the choice
    does not make it, after `steps` optimiser steps, or when the loss is no number any more.

    Returns:
        The optimiser steps taken, and the best validation score.
    """
    training, recall = experiment.training, experiment.recall
    fresh, valid = sequences(experiment, place, "train"), sequences(experiment, place, "valid").draw(recall.sequences)
    parameters = list(network.parameters())
    optimizer = torch.optim.Adam(parameters, lr=training.learning_rate, fused=True)
    best, weights = score(network, place.probe, *valid), deepcopy(network.state_dict())
    step = 0
    while step < recall.steps and error(place.probe, best, recall) > 0.5:
        step += 1
        value = loss(network, place.probe, *fresh.draw(training.batch))
        optimizer.zero_grad()
        torch.autograd.backward(value)
        norm = clip_grad_norm_(parameters, training.clip_norm)
        if not torch.isfinite(norm):
            break
        optimizer.step()
        if step % recall.check == 0 or step == recall.steps:
            now = score(network, place.probe, *valid)
            if error(place.probe, now, recall) < error(place.probe, best, recall):
                best, weights = now, deepcopy(network.state_dict())
    network.load_state_dict(weights)
    return step, best


def span(solved: Sequence[tuple[int, bool]]) -> int:
    """The largest lag that is solved, as are all before it; 0 when the first is not.

    Args:
        solved: lags in growing order, each with whether it is solved.
    """
    return max((lag for lag, _ in takewhile(lambda each: each[1], solved)), default=0)


def ladder(probe: Probe, seed: int, lags: Sequence[int], climb: Callable[[Place], bool]) -> list[tuple[int, bool]]:
    """Go from lag to lag as long as they are solved.

    Args:
        climb: trains at one lag and says whether it is solved.

    Returns:
        The lags that were tried, each with whether it was solved.
    """
    tried: list[tuple[int, bool]] = []
    for lag in lags:
        tried.append((lag, climb(Place(probe, seed, lag))))
        if not tried[-1][1]:
            break
    return tried
