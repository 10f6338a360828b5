"""The recurrent stack against torch.nn with copied weights, and one NumPy step against the published equations."""

import numpy as np
import pytest
import torch

from anamnesis.nn.stack import RecurrentStack, detach, flatten, unflatten
from anamnesis.nn.stepping import step_of

KINDS = ("rnn", "gru", "lstm")
FUSED = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def fused_twin(stack: RecurrentStack, inputs: int) -> torch.nn.RNNBase:
    """torch's own multi-layer module with the stack's weights."""
    twin = FUSED[stack.kind](inputs, stack.hidden, len(stack.layers))
    for index, layer in enumerate(stack.layers):
        for name, value in layer.named_parameters():
            getattr(twin, name.replace("_l0", f"_l{index}")).data.copy_(value.data)
    return twin


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_equal_torchs_multi_layer_module(kind: str) -> None:
    torch.manual_seed(0)
    stack = RecurrentStack(kind, inputs=5, hidden=7, layers=3)
    twin = fused_twin(stack, 5)
    x = torch.randn(11, 4, 5, requires_grad=True)
    y = x.detach().clone().requires_grad_()

    ours, _ = stack(x, stack.initial_state(4))
    theirs, _ = twin(y)
    ours.square().sum().backward()
    theirs.square().sum().backward()

    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(x.grad, y.grad, atol=1e-5, rtol=1e-5)
    for index, layer in enumerate(stack.layers):
        for name, value in layer.named_parameters():
            torch.testing.assert_close(
                value.grad, getattr(twin, name.replace("_l0", f"_l{index}")).grad, atol=1e-5, rtol=1e-5
            )


@pytest.mark.parametrize("kind", KINDS)
def test_carried_state_makes_two_segments_equal_to_one(kind: str) -> None:
    torch.manual_seed(1)
    stack = RecurrentStack(kind, inputs=3, hidden=6, layers=2)
    x = torch.randn(10, 2, 3)
    whole, last = stack(x, stack.initial_state(2))
    first, state = stack(x[:4], stack.initial_state(2))
    second, end = stack(x[4:], unflatten(flatten(detach(state)), kind))
    torch.testing.assert_close(torch.cat([first, second]), whole, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(flatten(end), flatten(last), atol=1e-6, rtol=1e-6)


def test_dropout_acts_between_layers_only_and_only_in_training() -> None:
    torch.manual_seed(2)
    stack = RecurrentStack("gru", inputs=3, hidden=6, layers=2, dropout=0.5)
    single = RecurrentStack("gru", inputs=3, hidden=6, layers=1, dropout=0.5)
    x = torch.randn(5, 2, 3)
    assert not torch.equal(stack(x, stack.initial_state(2))[0], stack(x, stack.initial_state(2))[0])
    assert torch.equal(single(x, single.initial_state(2))[0], single(x, single.initial_state(2))[0])
    stack.eval()
    assert torch.equal(stack(x, stack.initial_state(2))[0], stack(x, stack.initial_state(2))[0])


def test_forget_gate_bias_starts_at_one() -> None:
    layer = RecurrentStack("lstm", inputs=3, hidden=6, layers=1).layers[0]
    assert torch.equal((layer.bias_ih_l0 + layer.bias_hh_l0)[6:12], torch.ones(6))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def published(
    kind: str, w: dict[str, np.ndarray], x: np.ndarray, state: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, ...]:
    """One step in double precision, gate by gate, as the papers write it."""
    n = w["weight_hh_l0"].shape[1]
    gates = w["weight_hh_l0"].shape[0] // n
    cut = [slice(i * n, (i + 1) * n) for i in range(gates)]

    def from_x(i: int) -> np.ndarray:
        return w["weight_ih_l0"][cut[i]] @ x + w["bias_ih_l0"][cut[i]]

    def from_h(i: int) -> np.ndarray:
        return w["weight_hh_l0"][cut[i]] @ state[0] + w["bias_hh_l0"][cut[i]]

    if kind == "rnn":
        return (np.tanh(from_x(0) + from_h(0)),)
    if kind == "gru":
        reset, update = sigmoid(from_x(0) + from_h(0)), sigmoid(from_x(1) + from_h(1))
        return ((1 - update) * np.tanh(from_x(2) + reset * from_h(2)) + update * state[0],)
    enter, forget, out = (sigmoid(from_x(i) + from_h(i)) for i in (0, 1, 3))
    cell = forget * state[1] + enter * np.tanh(from_x(2) + from_h(2))
    return (out * np.tanh(cell), cell)


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_step_equals_the_equations_and_the_fused_kernel(kind: str) -> None:
    torch.manual_seed(3)
    layer = RecurrentStack(kind, inputs=5, hidden=8, layers=1).layers[0]
    weights = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    double = {name: value.astype(np.float64) for name, value in weights.items()}
    project, step = step_of(kind, weights)
    sequence = torch.randn(30, 1, 5)
    fused, _ = layer(sequence)
    parts = 2 if kind == "lstm" else 1
    ours = tuple(np.zeros(8, dtype=np.float32) for _ in range(parts))
    exact = tuple(np.zeros(8) for _ in range(parts))
    for time in range(30):
        x = sequence[time, 0].numpy()
        ours, exact = step(project(x), ours), published(kind, double, x.astype(np.float64), exact)
        np.testing.assert_allclose(ours[0], exact[0], atol=1e-5)
        np.testing.assert_allclose(ours[0], fused[time, 0].detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_step_leaves_its_arguments_alone(kind: str) -> None:
    layer = RecurrentStack(kind, inputs=2, hidden=3, layers=1).layers[0]
    project, step = step_of(kind, {name: value.detach().numpy() for name, value in layer.named_parameters()})
    x = np.ones(2, dtype=np.float32)
    state = tuple(np.full(3, 0.5, dtype=np.float32) for _ in range(2 if kind == "lstm" else 1))
    projected = project(x)
    first = step(projected, state)
    again = step(projected, state)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert np.array_equal(x, np.ones(2))
    assert np.array_equal(projected, project(x))
    assert all(np.array_equal(part, np.full(3, 0.5)) for part in state)
