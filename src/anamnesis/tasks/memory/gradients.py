"""Gradient flow: how much of the loss at the last step of a text reaches the states of the steps before."""

from copy import deepcopy
from dataclasses import dataclass
from math import exp, log

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from anamnesis.errors import AnamnesisError
from anamnesis.nn.stack import flatten
from anamnesis.tasks.memory.network import ProbeNetwork


@dataclass(frozen=True)
class Flow:
    """The gradient of the loss at step T by the state at step t, against their distance T - t.

    Attributes:
        norms: by distance, from 0: the geometric mean over segments of the gradient's norm; NaN where it is 0 in all.
        hidden: the same of the hidden state h_t alone, with all other parts of the state held fixed.
        decay: the factor of one step further back, fitted to the logarithms of the norms from distance 1 on: below 1
            the gradient vanishes, above 1 it explodes.
    """

    norms: list[float]
    hidden: list[float]
    decay: float

    @property
    def half_life(self) -> float | None:
        """Steps in which the gradient halves; None when it does not shrink."""
        return log(0.5) / log(self.decay) if 0 < self.decay < 1 else None


def flow(network: ProbeNetwork, ids: Tensor) -> Flow:
    """The gradient flow of a next-token model over segments of a text, each read from a zero state.

    Args:
        network: of which a copy in double precision is measured, so that no small gradient is lost.
        ids: (time + 1, segments), int64.

    Raises:
        AnamnesisError: the loss does not depend on any earlier state, or a gradient is not a number.
    """
    norms, hidden = gradient_norms(network, ids)
    means = _log_means(norms)
    distances = np.arange(len(means))
    fitted = np.isfinite(means) & (distances > 0)
    if not np.isfinite(norms).all() or fitted.sum() < 2:
        raise AnamnesisError("the gradients of the loss by the states are not numbers, or all zero")
    slope = np.polyfit(distances[fitted], means[fitted], 1)[0]
    return Flow(np.exp(means).tolist(), np.exp(_log_means(hidden)).tolist(), exp(slope))


def _log_means(norms: NDArray[np.float64]) -> NDArray[np.float64]:
    """By distance the mean logarithm over the segments that the gradient reaches at all, NaN where it reaches none."""
    reached = norms > 0
    logs = np.log(np.where(reached, norms, 1.0))
    means: NDArray[np.float64] = np.full(len(norms), np.nan)
    np.divide(logs.sum(axis=1), reached.sum(axis=1), out=means, where=reached.any(axis=1))
    return means


def gradient_norms(network: ProbeNetwork, ids: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """||d loss_T / d state_t|| and ||d loss_T / d h_t|| for each distance T - t and segment, each (time, segments).

    loss_T is the cross-entropy at the last step alone. state_t is all that the cell hands from step t to step t + 1:
    h_t, with an LSTM's c_t or an SCRN's context beside it, of all layers. The gradient by h_t alone leaves out what
    goes past it through those other parts. At distance 0, where nothing is handed on, both are the gradient by the
    output that the readout reads.
    """
    # A fused kernel keeps its states to itself, so here, and only here, one step is read at a time.
    double = deepcopy(network).double().eval()
    inputs, target = ids[:-1], ids[-1]
    state = double.stack.initial_state(ids.shape[1])
    handed: list[Tensor] = []
    for step in double.encoder(inputs).split(1):
        outputs, state = double.stack(step, state)
        # Copies: a cell that is not fused may use a part of its state within the step too, and that is another path.
        state = [tuple(part.clone() for part in layer) for layer in state]
        handed += flatten(state)
    parts = len(flatten(state))
    hidden = [index for index, part in enumerate(flatten(state)) if any(part is layer[0] for layer in state)]
    # A sum, so that a segment's gradient does not depend on how many there are.
    loss = cross_entropy(double.readout(outputs)[0], target, reduction="sum")
    # What the last step hands on is read by nobody; its output is.
    nodes = [*handed[:-parts], outputs]
    found = torch.autograd.grad(loss, nodes, allow_unused=True, materialize_grads=True)
    squares = [gradient.square().sum(-1).view(-1) for gradient in found]
    last = squares.pop()
    by_step = torch.stack(squares).view(len(inputs) - 1, parts, -1)

    def norms(chosen: Tensor) -> NDArray[np.float64]:
        found: NDArray[np.float64] = torch.cat([last[None], chosen.sum(1).flip(0)]).sqrt().numpy()
        return found

    return norms(by_step), norms(by_step[:, hidden])


def segments(ids: NDArray[np.integer], length: int, count: int) -> Tensor:
    """`count` segments of `length` + 1 tokens spread evenly over a text, (length + 1, count), int64.

    Raises:
        AnamnesisError: the text is shorter than one of them.
    """
    if len(ids) <= length:
        raise AnamnesisError(f"text.length: found {length}; allowed: below the {len(ids)} tokens of the text")
    starts = np.linspace(0, len(ids) - length - 1, count).astype(np.int64)
    return torch.from_numpy(np.asarray(ids)[starts[None] + np.arange(length + 1)[:, None]].astype(np.int64))
