"""Recall at growing lags: train a network until it solves a probe, then at the next lag, until it fails."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss
from torch.nn.utils import clip_grad_norm_

from anamnesis.tasks.memory.model.network import ProbeNetwork
from anamnesis.tasks.memory.model.sequences import Probe, Sequences
from anamnesis.tasks.memory.settings import Experiment, Recall

Weight = TypeVar("Weight")


@dataclass(frozen=True, order=True)
class Trial:
    """One training for recall: the probe, the network's seed, and the lag."""

    probe: Probe
    seed: int
    lag: int

    @property
    def key(self) -> str:
        """The prefix of the trial's weights in the weights file, before the "/"."""
        return f"{self.probe}.{self.seed}.{self.lag}"


def weights_of(key: str, weights: Mapping[str, Weight]) -> dict[str, Weight]:
    """The weights of one network by their names in it: of all `weights`, those with the prefix `key`."""
    return {name.removeprefix(f"{key}/"): value for name, value in weights.items() if name.startswith(f"{key}/")}


def sequences(experiment: Experiment, trial: Trial, split: str) -> Sequences:
    """The sequences of one split of a trial."""
    recall = experiment.recall
    return Sequences(trial.probe, trial.lag, recall.symbols, recall.alphabet, trial.seed, split)


def loss(network: ProbeNetwork, probe: Probe, inputs: Tensor, answers: Tensor) -> Tensor:
    """Mean cross-entropy of the copied symbols, or mean squared error of the sums; shapes as in `sequences`."""
    outputs, _ = network(inputs, last=len(answers))
    if probe == "copy":
        return cross_entropy(outputs.flatten(0, 1), answers.flatten())
    return mse_loss(outputs.squeeze(-1), answers)


@torch.no_grad()
def score(network: ProbeNetwork, probe: Probe, inputs: Tensor, answers: Tensor) -> float:
    """Accuracy of the copied symbols, or mean squared error of the sums; shapes as in `sequences`."""
    outputs, _ = network(inputs, last=len(answers))
    if probe == "copy":
        return float((outputs.argmax(-1) == answers).double().mean())
    return float(mse_loss(outputs.squeeze(-1).double(), answers.double()))


def error(probe: Probe, value: float, recall: Recall) -> float:
    """The error of a score, divided by the allowed error: the probe is solved up to 1; infinite for a NaN score."""
    wrong = (1 - value) / (1 - recall.accuracy) if probe == "copy" else value / recall.error
    # Rounded, so that an accuracy of exactly 0.99 solves a probe that asks for 0.99.
    return round(wrong, 9) if wrong == wrong else float("inf")


def fit(network: ProbeNetwork, trial: Trial, experiment: Experiment) -> tuple[int, float]:
    """Train a network at one lag on new sequences in every step; it ends with its best weights on validation.

    The training ends at half the allowed validation error, because at the limit itself the choice of the best weights
    would decide by chance; or after `recall.steps` optimiser steps; or when the gradient is NaN or infinite.

    Returns:
        The number of optimiser steps, and the best validation score.
    """
    training, recall = experiment.training, experiment.recall
    train, valid = sequences(experiment, trial, "train"), sequences(experiment, trial, "valid").draw(recall.sequences)
    parameters = list(network.parameters())
    optimizer = torch.optim.Adam(parameters, lr=training.learning_rate, fused=True)
    best, weights = score(network, trial.probe, *valid), deepcopy(network.state_dict())
    step = 0
    while step < recall.steps and error(trial.probe, best, recall) > 0.5:
        step += 1
        value = loss(network, trial.probe, *train.draw(training.batch))
        optimizer.zero_grad()
        torch.autograd.backward(value)
        norm = clip_grad_norm_(parameters, training.clip_norm)
        if not torch.isfinite(norm):
            break
        optimizer.step()
        if step % recall.check == 0 or step == recall.steps:
            now = score(network, trial.probe, *valid)
            if error(trial.probe, now, recall) < error(trial.probe, best, recall):
                best, weights = now, deepcopy(network.state_dict())
    network.load_state_dict(weights)
    return step, best


def span(tried: Sequence[tuple[int, bool]]) -> int:
    """The largest lag that is solved together with all shorter ones; 0 when the first is not solved.

    Args:
        tried: lags in growing order, each with whether it is solved.
    """
    return max((lag for lag, _ in takewhile(lambda each: each[1], tried)), default=0)


def try_lags(probe: Probe, seed: int, lags: Sequence[int], solve: Callable[[Trial], bool]) -> list[tuple[int, bool]]:
    """Train at one lag after the other, up to the first that is not solved.

    Args:
        solve: trains at one lag and returns whether the probe is solved.

    Returns:
        The lags that were tried, each with whether it was solved.
    """
    tried: list[tuple[int, bool]] = []
    for lag in lags:
        tried.append((lag, solve(Trial(probe, seed, lag))))
        if not tried[-1][1]:
            break
    return tried
