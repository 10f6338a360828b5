"""One time step of a recurrent layer in NumPy, for generation: there a fused kernel's start-up outweighs its work."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Project = Callable[[Array], Array]
Step = Callable[[Array, tuple[Array, ...]], tuple[Array, ...]]


def step_of(kind: str, weights: Mapping[str, Array]) -> tuple[Project, Step]:
    """Two functions that together take one step of one layer.

    They are two because what the input adds does not depend on the state: a caller whose inputs recur, as tokens do,
    can keep it.

    Args:
        kind: "rnn", "gru" or "lstm".
        weights: `weight_ih_l0` (gates * hidden, inputs), `weight_hh_l0` (gates * hidden, hidden), `bias_ih_l0` and
            `bias_hh_l0` (gates * hidden), in PyTorch's names and order of gates.

    Returns:
        project(x) -> what an input (inputs,) adds to the gates, and step(projected, state) -> state, where the state
        is (h,) or, for an LSTM, (h, c), each (hidden,). Neither changes its arguments. The equations are those of
        `torch.nn.RNN`, `torch.nn.GRU` and `torch.nn.LSTM`.
    """
    w_x, w_h = weights["weight_ih_l0"], weights["weight_hh_l0"]
    return {"rnn": _rnn, "gru": _gru, "lstm": _lstm}[kind](w_x, w_h, weights["bias_ih_l0"], weights["bias_hh_l0"])


def _projection(w_x: Array, bias: Array) -> Project:
    def project(x: Array) -> Array:
        projected = w_x.dot(x)
        projected += bias
        return projected

    return project


def _rnn(w_x: Array, w_h: Array, b_x: Array, b_h: Array) -> tuple[Project, Step]:
    def step(projected: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        total = w_h.dot(state[0])
        total += projected
        return (np.tanh(total, out=total),)

    return _projection(w_x, b_x + b_h), step


def _lstm(w_x: Array, w_h: Array, b_x: Array, b_h: Array) -> tuple[Project, Step]:
    hidden = w_h.shape[1]
    # sigmoid(a) = (1 + tanh(a / 2)) / 2: halving the rows of three gates, which is exact, lets one tanh serve all four.
    rows = np.arange(4 * hidden).reshape(4, hidden)[[0, 1, 3, 2]].ravel()
    scale = np.repeat(np.array([0.5, 1.0], np.float32), [3 * hidden, hidden])
    w_x, w_h, bias = w_x[rows] * scale[:, None], w_h[rows] * scale[:, None], (b_x + b_h)[rows] * scale

    def step(projected: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        total = w_h.dot(state[0])
        total += projected
        np.tanh(total, out=total)
        gates = total[: 3 * hidden]
        gates += 1.0
        gates *= 0.5
        cell = gates[hidden : 2 * hidden] * state[1]
        cell += gates[:hidden] * total[3 * hidden :]
        return gates[2 * hidden :] * np.tanh(cell), cell

    return _projection(w_x, bias), step


def _gru(w_x: Array, w_h: Array, b_x: Array, b_h: Array) -> tuple[Project, Step]:
    hidden = w_h.shape[1]

    def step(projected: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
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
        return (candidate + gates[hidden:] * (state[0] - candidate),)

    return _projection(w_x, b_x), step
