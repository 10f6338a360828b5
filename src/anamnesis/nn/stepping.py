"""One time step at a time in NumPy, for generation: there a fused kernel's start-up outweighs its work."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anamnesis.nn.gates import GatesLSTM
from anamnesis.nn.layers import GRU, IRNN, LSTM, RNN
from anamnesis.nn.scrn import SCRN
from anamnesis.nn.stack import RecurrentStack

Array = NDArray[np.float32]
State = tuple[Array, ...]
Project = Callable[[Array], Array]
Step = Callable[[Array, State], tuple[Array, State]]
Read = tuple[Array, Array]
"""An input (inputs,), and what it adds to the first layer's gates."""


def steps_of(stack: RecurrentStack) -> tuple[Callable[[Array], Read], Callable[[Read, list[State]], Array]]:
    """Two functions that together take one step of a stack in evaluation mode, for one sequence.

    They are two because what an input adds to the first layer does not depend on the state: a caller whose inputs
    recur, as tokens do, can keep it.

    Args:
        stack: its weights are read once, here.

    Returns:
        read(input (inputs,)), and step(read, state) -> the stack's output (outputs,). The state holds for each layer
        its parts, each (size,); step puts the next state in its place, and changes no array.
    """
    layers = [step_of(layer) for layer in stack.layers]
    norms = [_norm(norm) for norm in stack.norms]

    def read(x: Array) -> Read:
        return x, layers[0][0](x)

    def plain(given: Read, state: list[State]) -> Array:
        outputs, state[0] = layers[0][1](given[1], state[0])
        for index, (project, advance) in enumerate(layers[1:], start=1):
            outputs, state[index] = advance(project(outputs), state[index])
        return outputs

    if not norms and not stack.residual:
        return read, plain

    def step(given: Read, state: list[State]) -> Array:
        x, projected = given
        for index, (project, advance) in enumerate(layers):
            outputs, state[index] = advance(project(x) if index else projected, state[index])
            if norms:
                outputs = norms[index](outputs)
            x = outputs + x if stack.residual and outputs.shape == x.shape else outputs
        return x

    return read, step


def step_of(layer: nn.Module) -> tuple[Project, Step]:
    """Two functions that together take one step of one layer, for one sequence.

    A layer that has no equations here, such as a user's own, is run itself.

    Returns:
        project(x) -> what an input (inputs,) adds to the gates, and step(projected, state) -> output (outputs,) and
        state, its parts each (size,). Neither changes its arguments.
    """
    match layer:
        case RNN() | IRNN():
            return _rnn(layer)
        case GRU():
            return _gru(layer)
        case LSTM() | GatesLSTM():
            return _lstm(layer)
        case SCRN():
            return _scrn(layer)
    return _itself(layer)


def _itself(layer: nn.Module) -> tuple[Project, Step]:
    device = next(layer.parameters()).device

    def step(x: Array, state: State) -> tuple[Array, State]:
        with torch.inference_mode():
            # Copies: NumPy's arrays are the caller's, and a layer may work in place.
            before = tuple(torch.tensor(part, device=device)[None] for part in state)
            outputs, after = layer(torch.tensor(x, device=device)[None, None], before)
            return outputs[0, 0].cpu().numpy(), tuple(part[0].cpu().numpy() for part in after)

    return lambda x: x, step


def _weights(layer: nn.Module, *names: str) -> list[Array]:
    return [layer.get_parameter(name).detach().cpu().numpy() for name in names]


def _torch_weights(layer: nn.Module) -> list[Array]:
    """W_ih (gates * hidden, inputs), W_hh (gates * hidden, hidden) and two biases, under PyTorch's names."""
    return _weights(layer, "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def _projection(w_x: Array, bias: Array) -> Project:
    def project(x: Array) -> Array:
        projected = w_x.dot(x)
        projected += bias
        return projected

    return project


def _rnn(layer: RNN) -> tuple[Project, Step]:
    w_x, w_h, b_x, b_h = _torch_weights(layer)
    tanh = layer.nonlinearity == "tanh"

    def step(projected: Array, state: State) -> tuple[Array, State]:
        h = w_h.dot(state[0])
        h += projected
        h = np.tanh(h, out=h) if tanh else np.maximum(h, 0, out=h)
        return h, (h,)

    return _projection(w_x, b_x + b_h), step


def _lstm(layer: LSTM | GatesLSTM) -> tuple[Project, Step]:
    w_x, w_h, b_x, b_h = _torch_weights(layer)
    hidden = w_h.shape[1]
    # sigmoid(a) = (1 + tanh(a / 2)) / 2: halving the rows of three gates, which is exact, lets one tanh serve all four.
    rows = np.arange(4 * hidden).reshape(4, hidden)[[0, 1, 3, 2]].ravel()
    scale = np.repeat(np.array([0.5, 1.0], np.float32), [3 * hidden, hidden])
    w_x, w_h, bias = w_x[rows] * scale[:, None], w_h[rows] * scale[:, None], (b_x + b_h)[rows] * scale

    def step(projected: Array, state: State) -> tuple[Array, State]:
        total = w_h.dot(state[0])
        total += projected
        np.tanh(total, out=total)
        gates = total[: 3 * hidden]
        gates += 1.0
        gates *= 0.5
        cell = gates[hidden : 2 * hidden] * state[1]
        cell += gates[:hidden] * total[3 * hidden :]
        h = gates[2 * hidden :] * np.tanh(cell)
        return h, (h, cell)

    return _projection(w_x, bias), step


def _gru(layer: GRU) -> tuple[Project, Step]:
    w_x, w_h, b_x, b_h = _torch_weights(layer)
    hidden = w_h.shape[1]

    def step(projected: Array, state: State) -> tuple[Array, State]:
        from_h = w_h.dot(state[0])
        from_h += b_h
        gates = projected[: 2 * hidden] + from_h[: 2 * hidden]
        gates *= 0.5
        np.tanh(gates, out=gates)
        gates += 1.0
        gates *= 0.5
        candidate = gates[:hidden] * from_h[2 * hidden :]
        candidate += projected[2 * hidden :]
        np.tanh(candidate, out=candidate)
        h = candidate + gates[hidden:] * (state[0] - candidate)
        return h, (h,)

    return _projection(w_x, b_x), step


def _scrn(layer: SCRN) -> tuple[Project, Step]:
    w_xs, w_sh, w_xh, w_hh = _weights(layer, "weight_xs", "weight_sh", "weight_xh", "weight_hh")
    context = len(w_xs)
    keep: Any = np.float32(layer.alpha)
    if layer.alpha_logit is not None:
        keep = layer.alpha_logit.detach().sigmoid().cpu().numpy()
    sigmoid, current = layer.activation == "sigmoid", layer.feed == "current"
    # As in `_lstm`: the halves make of tanh a sigmoid.
    scale = np.float32(0.5 if sigmoid else 1.0)
    w_x = np.concatenate([w_xs * np.reshape(1 - keep, (-1, 1)), w_xh * scale])
    w_s, w_h = w_sh * scale, w_hh * scale

    def step(projected: Array, state: State) -> tuple[Array, State]:
        before = state[1]
        s = projected[:context] + keep * before
        h = w_h.dot(state[0])
        h += w_s.dot(s if current else before)
        h += projected[context:]
        np.tanh(h, out=h)
        if sigmoid:
            h += 1.0
            h *= 0.5
        return np.concatenate([h, s]), (h, s)

    return w_x.dot, step


def _norm(norm: Any) -> Callable[[Array], Array]:
    weight, bias = _weights(norm, "weight", "bias")
    if isinstance(norm, nn.LayerNorm):

        def normalise(x: Array) -> Array:
            centred = x - x.mean()
            result: Array = centred / np.sqrt(centred.dot(centred) / np.float32(x.size) + np.float32(norm.eps))
            return result * weight + bias

        return normalise
    mean, variance = _weights(norm, "running_mean", "running_var")
    slope = weight / np.sqrt(variance + np.float32(norm.eps))
    return lambda x: (x - mean) * slope + bias
