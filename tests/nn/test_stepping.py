"""Single steps equal a whole segment, for every layer and option."""

from typing import Any

import numpy as np
import pytest
import torch

from anamnesis.nn.stack import RecurrentStack
from anamnesis.nn.stepping import steps_of

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    kind: (kind, {}) for kind in ("rnn", "rnn-relu", "irnn", "gru", "lstm", "lstm-gates")
}
for activation in ("sigmoid", "tanh"):
    for feed in ("current", "previous"):
        for learned in (False, True):
            options = {"context": 4, "alpha": 0.9, "activation": activation, "feed": feed, "learned_alpha": learned}
            KINDS[f"scrn {activation} {feed}{' learned' * learned}"] = ("scrn", options)
SHAPES: dict[str, dict[str, Any]] = {
    "one layer": {},
    "three layers": {"layers": 3},
    "residual": {"layers": 3, "residual": True},
    "layer norm": {"layers": 2, "norm": "layer"},
    "batch norm, residual": {"layers": 2, "norm": "batch", "residual": True},
}


def new_stack(name: str, inputs: int, **more: Any) -> RecurrentStack:
    """A stack in evaluation mode with weights, and running statistics, as after some training."""
    torch.manual_seed(0)
    kind, options = KINDS[name]
    stack = RecurrentStack(kind, inputs, 6, options=options, dropout=0.5, **more)
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.add_(torch.randn_like(parameter).abs() * 0.2)
    return stack.eval()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", KINDS)
def test_steps_equal_a_segment(name: str, shape: str) -> None:
    # As many inputs as outputs, so that a residual connection spans the first layer too.
    inputs = 10 if name.startswith("scrn") else 6
    stack = new_stack(name, inputs, **SHAPES[shape])
    with torch.no_grad():
        state = [tuple(torch.randn_like(part) for part in layer) for layer in stack.initial_state(1)]
        x = torch.randn(30, 1, inputs)
        expected, last = stack(x, state)
    read, step = steps_of(stack)
    carried = [tuple(part[0].numpy() for part in layer) for layer in state]
    for time in range(30):
        actual = step(read(x[time, 0].numpy()), carried)
        assert actual.dtype == np.float32
        np.testing.assert_allclose(actual, expected[time, 0], rtol=1e-5, atol=1e-5)
    for mine, theirs in zip(carried, last, strict=True):
        for part, wanted in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(part, wanted[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_a_step_leaves_its_arguments_alone(name: str) -> None:
    layer = new_stack(name, 5).layers[0]
    project, step = layer.single_step()
    x = np.ones(5, np.float32)
    state = tuple(np.full(size, 0.5, np.float32) for size in layer.state_sizes)
    projected = project(x)
    (first, after), (again, later) = step(projected, state), step(projected, state)
    assert np.array_equal(first, again)
    assert all(np.array_equal(a, b) for a, b in zip(after, later, strict=True))
    assert np.array_equal(x, np.ones(5))
    assert np.array_equal(projected, project(x))
    assert all(np.array_equal(part, np.full(len(part), 0.5)) for part in state)
