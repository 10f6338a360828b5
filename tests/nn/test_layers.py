"""Each layer against a NumPy loop of its published equations."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from anamnesis.nn.cells import new_layer
from anamnesis.nn.layer import Layer

Arrays = dict[str, np.ndarray]
State = tuple[np.ndarray, ...]
INPUTS, HIDDEN, TIME, BATCH = 5, 7, 12, 3


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def elman(w: Arrays, x: np.ndarray, state: State, activation: Callable[[np.ndarray], np.ndarray]) -> State:
    (h,) = state
    return (activation(x @ w["weight_ih_l0"].T + w["bias_ih_l0"] + h @ w["weight_hh_l0"].T + w["bias_hh_l0"]),)


def relu(a: np.ndarray) -> np.ndarray:
    return np.maximum(a, 0)


def gru(w: Arrays, x: np.ndarray, state: State) -> State:
    (h,) = state
    x_r, x_z, x_n = np.split(x @ w["weight_ih_l0"].T + w["bias_ih_l0"], 3, axis=1)
    h_r, h_z, h_n = np.split(h @ w["weight_hh_l0"].T + w["bias_hh_l0"], 3, axis=1)
    reset, update = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    return ((1 - update) * np.tanh(x_n + reset * h_n) + update * h,)


def lstm(w: Arrays, x: np.ndarray, state: State) -> State:
    h, c = state

    def gate(index: int) -> np.ndarray:
        rows = slice(index * HIDDEN, (index + 1) * HIDDEN)
        from_x = x @ w["weight_ih_l0"][rows].T + w["bias_ih_l0"][rows]
        return from_x + h @ w["weight_hh_l0"][rows].T + w["bias_hh_l0"][rows]

    c = sigmoid(gate(1)) * c + sigmoid(gate(0)) * np.tanh(gate(2))
    return sigmoid(gate(3)) * np.tanh(c), c


EQUATIONS: dict[str, Callable[[Arrays, np.ndarray, State], State]] = {
    "rnn": lambda w, x, state: elman(w, x, state, np.tanh),
    "rnn-relu": lambda w, x, state: elman(w, x, state, relu),
    "irnn": lambda w, x, state: elman(w, x, state, relu),
    "gru": gru,
    "lstm": lstm,
    "lstm-gates": lstm,
}
FUSED: dict[str, Callable[[], nn.RNNBase]] = {
    "rnn": lambda: nn.RNN(INPUTS, HIDDEN),
    "rnn-relu": lambda: nn.RNN(INPUTS, HIDDEN, nonlinearity="relu"),
    "irnn": lambda: nn.RNN(INPUTS, HIDDEN, nonlinearity="relu"),
    "gru": lambda: nn.GRU(INPUTS, HIDDEN),
    "lstm": lambda: nn.LSTM(INPUTS, HIDDEN),
    "lstm-gates": lambda: nn.LSTM(INPUTS, HIDDEN),
}


def loop(kind: str, w: Arrays, x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
    """Outputs (time, batch, hidden) and the last state, step by step in the precision of the arguments."""
    outputs = []
    for x_t in x:
        state = EQUATIONS[kind](w, x_t, state)
        outputs.append(state[0])
    return np.stack(outputs), state


def layer_and_inputs(
    kind: str, dtype: torch.dtype = torch.float32
) -> tuple[Any, torch.Tensor, tuple[torch.Tensor, ...]]:
    """A layer that is far from its initial weights, inputs, and a state that is not zero."""
    torch.manual_seed(0)
    layer = new_layer(kind, INPUTS, HIDDEN).to(dtype)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    x = torch.randn(TIME, BATCH, INPUTS, dtype=dtype)
    return layer, x, tuple(torch.randn(BATCH, size, dtype=dtype) for size in layer.state_sizes)


def arrays(layer: nn.Module) -> Arrays:
    return {name: value.detach().numpy().copy() for name, value in layer.named_parameters()}


@pytest.mark.parametrize("kind", EQUATIONS)
def test_values_equal_the_equations(kind: str) -> None:
    layer, x, state = layer_and_inputs(kind)
    outputs, last = layer(x, state)
    double = {name: value.astype(np.float64) for name, value in arrays(layer).items()}
    expected, end = loop(kind, double, x.numpy().astype(float), tuple(part.numpy().astype(float) for part in state))
    np.testing.assert_allclose(outputs.detach().numpy(), expected, atol=1e-5)
    for ours, theirs in zip(last, end, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs, atol=1e-5)


@pytest.mark.parametrize("kind", EQUATIONS)
def test_gradients_equal_the_slope_of_the_equations(kind: str) -> None:
    layer, x, state = layer_and_inputs(kind, torch.float64)
    values = [x.requires_grad_(), *(part.requires_grad_() for part in state)]
    weight = torch.randn(TIME, BATCH, HIDDEN, dtype=torch.float64)
    (layer(x, state)[0] * weight).sum().backward()
    generator = np.random.default_rng(1)
    w = arrays(layer)
    for place in [*w, *range(len(values))]:
        # One direction for each array: the loop's central difference against the gradient along it.
        where = layer.get_parameter(place) if isinstance(place, str) else values[place]
        direction = generator.standard_normal(tuple(where.shape))

        def at(step: float, place: Any = place, direction: np.ndarray = direction) -> float:
            moved = {name: value + step * direction if name == place else value for name, value in w.items()}
            read = [value.detach().numpy() + (step * direction if i == place else 0) for i, value in enumerate(values)]
            return float((loop(kind, moved, read[0], tuple(read[1:]))[0] * weight.numpy()).sum())

        assert where.grad is not None
        slope = (at(1e-6) - at(-1e-6)) / 2e-6
        assert slope == pytest.approx(float((where.grad.numpy() * direction).sum()), rel=1e-5, abs=1e-5), place


@pytest.mark.parametrize("kind", [*EQUATIONS, "scrn"])
def test_shapes_equal_the_attributes_of_the_layer(kind: str) -> None:
    layer = new_layer(kind, INPUTS, HIDDEN, **({"context": 4} if kind == "scrn" else {})).double()
    assert isinstance(layer, Layer)
    state = layer.initial_state(BATCH)
    assert [part.shape for part in state] == [(BATCH, size) for size in layer.state_sizes]
    assert all(part.dtype == torch.float64 and not part.any() for part in state)
    outputs, last = layer(torch.randn(TIME, BATCH, INPUTS, dtype=torch.float64), state)
    assert outputs.shape == (TIME, BATCH, layer.outputs)
    assert [part.shape for part in last] == [part.shape for part in state]
    assert torch.equal(outputs[-1, :, :HIDDEN], last[0])


def test_an_irnn_starts_as_a_sum_of_its_inputs() -> None:
    torch.manual_seed(0)
    layer = new_layer("irnn", 300, 200)
    assert torch.equal(layer.weight_hh_l0, torch.eye(200))
    assert not layer.bias_ih_l0.any()
    assert not layer.bias_hh_l0.any()
    assert float(layer.weight_ih_l0.detach().std()) == pytest.approx(0.001, rel=0.02)
    with torch.no_grad():
        layer.weight_ih_l0.abs_()
        x = torch.rand(9, 2, 300)
        outputs, _ = layer(x, layer.initial_state(2))
        torch.testing.assert_close(outputs, (x @ layer.weight_ih_l0.mT).cumsum(0), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["lstm", "lstm-gates"])
def test_the_forget_gate_starts_open(kind: str) -> None:
    layer = new_layer(kind, INPUTS, HIDDEN)
    total = layer.bias_ih_l0 + layer.bias_hh_l0
    assert torch.equal(total[HIDDEN : 2 * HIDDEN], torch.ones(HIDDEN))
    others = torch.cat([total[:HIDDEN], total[2 * HIDDEN :]])
    assert 0 < float(others.detach().abs().max()) <= 2 / HIDDEN**0.5
