"""Gradient flow: the gradient of the loss at the last step of a text by the states of the steps before."""

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
from anamnesis.tasks.memory.model.network import ProbeNetwork


@dataclass(frozen=True)
class Flow:
    """The gradient of the loss at step T by the state at step t, as a function of the distance T - t.

    Attributes:
        norms: by distance, from 0: the geometric mean over segments of the gradient's norm; NaN where all norms are 0.
        hidden: the same for the gradient by the hidden state h_t alone, with the other parts of the state held fixed.
        decay: factor between the norms at one distance and the next, fitted to the logarithms of the norms from
            distance 1 on: below 1 the gradient vanishes, above 1 it explodes.
    """

    norms: list[float]
    hidden: list[float]
    decay: float

    @property
    def half_life(self) -> float | None:
        """Number of steps after which half of the gradient is left; None where it does not shrink."""
        return log(0.5) / log(self.decay) if 0 < self.decay < 1 else None


def flow(network: ProbeNetwork, ids: Tensor) -> Flow:
    """The gradient flow of a language model over segments of a text, each of which starts from a zero state.

    Args:
        network: a copy in double precision is measured, so that small gradients do not become 0.
        ids: (time + 1, segments), int64.

    Raises:
        AnamnesisError: all gradients are 0, or one is NaN or infinite.
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
    """The mean logarithm of the norms above 0 at each distance; NaN where all norms are 0."""
    reached = norms > 0
    logs = np.log(np.where(reached, norms, 1.0))
    means: NDArray[np.float64] = np.full(len(norms), np.nan)
    np.divide(logs.sum(axis=1), reached.sum(axis=1), out=means, where=reached.any(axis=1))
    return means


def gradient_norms(network: ProbeNetwork, ids: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """||d loss_T / d state_t|| and ||d loss_T / d h_t|| for each distance T - t and segment, each (time, segments).

    loss_T is the cross-entropy at the last step alone. state_t is the complete state between steps t and t + 1, of all
    layers: h_t, and an LSTM's c_t or an SCRN's context. The gradient by h_t alone leaves out the paths through those
    other parts. At distance 0 both are the gradient by the input of the readout.
    """
    # One step at a time, because a fused kernel does not return the states between steps.
    double = deepcopy(network).double().eval()
    inputs, target = ids[:-1], ids[-1]
    state = double.stack.initial_state(ids.shape[1])
    states: list[Tensor] = []
    for step in double.encoder(inputs).split(1):
        outputs, state = double.stack(step, state)
        # Copies: a cell may use a part of its state within the step too, and that is another path.
        state = [tuple(part.clone() for part in layer) for layer in state]
        states += flatten(state)
    parts = len(flatten(state))
    hidden = [index for index, part in enumerate(flatten(state)) if any(part is layer[0] for layer in state)]
    # A sum, so that the gradient of one segment does not depend on the number of segments.
    loss = cross_entropy(double.readout(outputs)[0], target, reduction="sum")
    # Nothing reads the state after the last step; the readout reads its output.
    nodes = [*states[:-parts], outputs]
    gradients = torch.autograd.grad(loss, nodes, allow_unused=True, materialize_grads=True)
    squares = [gradient.square().sum(-1).view(-1) for gradient in gradients]
    last = squares.pop()
    by_step = torch.stack(squares).view(len(inputs) - 1, parts, -1)

    def norms(chosen: Tensor) -> NDArray[np.float64]:
        by_distance: NDArray[np.float64] = torch.cat([last[None], chosen.sum(1).flip(0)]).sqrt().numpy()
        return by_distance

    return norms(by_step), norms(by_step[:, hidden])


def segments(ids: NDArray[np.integer], length: int, count: int) -> Tensor:
    """`count` segments of `length` + 1 tokens, evenly spaced in a text: (length + 1, count), int64.

    Raises:
        AnamnesisError: the text is shorter than a segment.
    """
    if len(ids) <= length:
        raise AnamnesisError(f"text.length: found {length}; allowed: below the {len(ids)} tokens of the text")
    starts = np.linspace(0, len(ids) - length - 1, count).astype(np.int64)
    return torch.from_numpy(np.asarray(ids)[starts[None] + np.arange(length + 1)[:, None]].astype(np.int64))
