"""Stacks of layers: against torch's own multi-layer modules, and each option against its definition."""

from typing import Annotated, Any

import pytest
import torch
from pydantic import Field, TypeAdapter
from torch import nn

from anamnesis.nn.settings import Layers, cell_settings
from anamnesis.nn.stack import RecurrentStack, build, detach, flatten

SETTINGS: Any = TypeAdapter(Annotated[cell_settings(Layers), Field(discriminator="architecture")])
FUSED = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM, "lstm-gates": nn.LSTM}
KINDS: dict[str, dict[str, Any]] = {kind: {} for kind in ("rnn", "rnn-relu", "irnn", "gru", "lstm", "lstm-gates")}
KINDS["scrn"] = {"context": 4, "alpha": 0.9}


def new_stack(kind: str, inputs: int = 3, hidden: int = 6, **more: Any) -> RecurrentStack:
    torch.manual_seed(1)
    return RecurrentStack(kind, inputs, hidden, options=KINDS[kind], **more)


@pytest.mark.parametrize("kind", FUSED)
def test_values_and_gradients_equal_torchs_multi_layer_module(kind: str) -> None:
    stack = new_stack(kind, inputs=5, hidden=7, layers=3)
    twin = FUSED[kind](5, 7, 3)
    names = {
        f"{name[:-3]}_l{index}": value
        for index, layer in enumerate(stack.layers)
        for name, value in layer.named_parameters()
    }
    twin.load_state_dict({name: value.detach() for name, value in names.items()})
    x = torch.randn(11, 4, 5, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    ours, _ = stack(x, stack.initial_state(4))
    theirs, _ = twin(y)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(x.grad, y.grad, atol=1e-5, rtol=1e-5)
    for name, value in names.items():
        torch.testing.assert_close(value.grad, twin.get_parameter(name).grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("more", [{}, {"residual": True}, {"norm": "layer"}, {"norm": "batch", "residual": True}])
@pytest.mark.parametrize("kind", KINDS)
def test_carried_state_makes_two_segments_equal_to_one(kind: str, more: dict[str, Any]) -> None:
    stack = new_stack(kind, layers=2, **more).eval()
    x = torch.randn(10, 2, 3)
    whole, last = stack(x, stack.initial_state(2))
    first, state = stack(x[:4], stack.initial_state(2))
    second, end = stack(x[4:], stack.unflatten(flatten(detach(state))))
    torch.testing.assert_close(torch.cat([first, second]), whole, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(flatten(end), flatten(last), atol=1e-6, rtol=1e-6)


def test_dropout_acts_between_layers_only_and_only_in_training() -> None:
    stack, single = new_stack("gru", layers=2, dropout=0.5), new_stack("gru", dropout=0.5)
    x = torch.randn(5, 2, 3)
    assert not torch.equal(stack(x, stack.initial_state(2))[0], stack(x, stack.initial_state(2))[0])
    assert torch.equal(single(x, single.initial_state(2))[0], single(x, single.initial_state(2))[0])
    stack.eval()
    assert torch.equal(stack(x, stack.initial_state(2))[0], stack(x, stack.initial_state(2))[0])


def test_a_residual_connection_adds_the_input_of_a_layer_to_its_output() -> None:
    plain, residual = new_stack("gru", inputs=3, layers=3), new_stack("gru", inputs=3, layers=3, residual=True)
    residual.load_state_dict(plain.state_dict())
    x = torch.randn(5, 2, 3)
    state = plain.initial_state(2)
    expected, _ = plain.layers[0](x, state[0])
    for layer, before in zip(plain.layers[1:], state[1:], strict=True):
        expected = expected + layer(expected, before)[0]
    torch.testing.assert_close(residual(x, state)[0], expected)


def test_layer_normalisation_follows_each_layer() -> None:
    stack = new_stack("lstm", layers=2, norm="layer")
    x = torch.randn(5, 2, 3)
    state, expected = stack.initial_state(2), x
    for layer, norm, before in zip(stack.layers, stack.norms, state, strict=True):
        with torch.no_grad():
            norm.weight.uniform_(0.5, 2)
            norm.bias.normal_()
        raw, _ = layer(expected, before)
        mean, variance = raw.mean(-1, keepdim=True), raw.var(-1, correction=0, keepdim=True)
        expected = (raw - mean) / (variance + 1e-5).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(stack(x, state)[0], expected, atol=1e-5, rtol=1e-5)


def test_batch_normalisation_is_over_time_and_batch_and_remembers_for_evaluation() -> None:
    stack = new_stack("rnn", norm="batch")
    x, state = torch.randn(9, 4, 3), stack.initial_state(4)
    raw = stack.layers[0](x, state[0])[0]
    mean, variance = raw.mean((0, 1)), raw.flatten(0, 1).var(0, correction=0)
    torch.testing.assert_close(stack(x, state)[0], (raw - mean) / (variance + 1e-5).sqrt(), atol=1e-5, rtol=1e-5)
    for _ in range(200):
        stack(x, state)
    stack.eval()
    unbiased = raw.flatten(0, 1).var(0)
    torch.testing.assert_close(stack(x, state)[0], (raw - mean) / (unbiased + 1e-5).sqrt(), atol=1e-4, rtol=1e-4)


def test_named_parameters_are_all_that_a_batch_normalised_stack_needs_to_be_rebuilt() -> None:
    stack, other = new_stack("rnn", layers=2, norm="batch"), RecurrentStack("rnn", 3, 6, 2, norm="batch")
    x = torch.randn(9, 4, 3)
    optimizer = torch.optim.Adam(stack.parameters(), lr=0.1)
    for _ in range(3):
        stack(x, stack.initial_state(4))[0].square().sum().backward()
        optimizer.step()
    with torch.no_grad():
        for name, value in stack.named_parameters():
            other.get_parameter(name).copy_(value)
    assert torch.equal(stack.eval()(x, stack.initial_state(4))[0], other.eval()(x, other.initial_state(4))[0])


@pytest.mark.parametrize(
    "entry",
    [
        {"architecture": "lstm-gates", "hidden": 6, "layers": 2, "residual": True, "norm": "layer"},
        {"architecture": "scrn", "hidden": 6, "context": 4, "alpha": 0.9, "activation": "tanh", "feed": "previous"},
    ],
)
def test_settings_build_the_stack_they_describe(entry: dict[str, Any]) -> None:
    stack = build(SETTINGS.validate_python(entry), 3)
    assert len(stack.layers) == entry.get("layers", 1)
    assert stack.residual == entry.get("residual", False)
    assert len(stack.norms) == (entry.get("layers", 1) if "norm" in entry else 0)
    assert stack.outputs == 6 + entry.get("context", 0)
    for option in ("alpha", "activation", "feed"):
        if option in entry:
            assert getattr(stack.layers[0], option) == entry[option]
