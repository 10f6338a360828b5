"""Bidirectional stacks: a padded batch equals each sequence alone, in both directions and at every depth."""

import pytest
import torch
from torch import nn

from anamnesis.errors import AnamnesisError
from anamnesis.nn.bidirectional import KINDS, BidirectionalStack

INPUTS, HIDDEN, TIME = 4, 5, 9
LENGTHS = torch.tensor([6, 9, 1, 3])


def made(kind: str, layers: int, **more: float) -> BidirectionalStack:
    torch.manual_seed(0)
    return BidirectionalStack(kind, INPUTS, HIDDEN, layers, **more)


def alone(stack: BidirectionalStack, x: torch.Tensor) -> torch.Tensor:
    """One sequence (time, inputs) by layers of one direction, every second of which reads it reversed."""
    for both in stack.layers:
        ways = []
        for suffix in ("", "_reverse"):
            one = type(both)(both.input_size, HIDDEN)
            names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
            one.load_state_dict({name: both.get_parameter(name + suffix) for name in names})
            ways.append(one(x.flip(0) if suffix else x)[0])
        x = torch.cat([ways[0], ways[1].flip(0)], dim=-1)
    return x


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_batch_equals_each_sequence_alone(kind: str, layers: int) -> None:
    stack = made(kind, layers)
    x = torch.randn(TIME, len(LENGTHS), INPUTS)
    outputs = stack(x, LENGTHS)
    assert outputs.shape == (TIME, len(LENGTHS), stack.outputs) == (TIME, len(LENGTHS), 2 * HIDDEN)
    for row, length in enumerate(LENGTHS.tolist()):
        expected = alone(stack, x[:length, row])
        torch.testing.assert_close(outputs[:length, row], expected, atol=1e-6, rtol=1e-5)
        assert not outputs[length:, row].any()


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_no_output_and_gets_no_gradient(kind: str, layers: int) -> None:
    stack = made(kind, layers)
    x = torch.randn(TIME, len(LENGTHS), INPUTS)
    behind = torch.arange(TIME)[:, None] >= LENGTHS
    other = torch.where(behind[..., None], torch.full_like(x, 1e3), x).requires_grad_()
    outputs = stack(other, LENGTHS)
    assert torch.equal(outputs, stack(x, LENGTHS))
    outputs.square().sum().backward()
    assert other.grad is not None
    assert not other.grad[behind].any()
    assert other.grad[~behind].any(-1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_those_of_the_sequences_alone(kind: str) -> None:
    stack = made(kind, 2)
    x = torch.randn(TIME, len(LENGTHS), INPUTS)
    stack(x, LENGTHS).square().sum().backward()
    together = [value.grad.clone() for value in stack.parameters() if value.grad is not None]
    stack.zero_grad()
    for row, length in enumerate(LENGTHS.tolist()):
        stack(x[:length, row : row + 1], torch.tensor([length])).square().sum().backward()
    apart = [value.grad for value in stack.parameters() if value.grad is not None]
    assert len(together) == len(list(stack.parameters()))
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


def test_equals_torchs_deep_bidirectional_module_on_full_sequences() -> None:
    stack = made("lstm", 3)
    twin = nn.LSTM(INPUTS, HIDDEN, 3, bidirectional=True)
    twin.load_state_dict(
        {
            name.replace("_l0", f"_l{index}"): value
            for index, layer in enumerate(stack.layers)
            for name, value in layer.state_dict().items()
        }
    )
    x = torch.randn(TIME, 2, INPUTS)
    torch.testing.assert_close(stack(x, torch.tensor([TIME, TIME])), twin(x)[0], atol=1e-6, rtol=1e-5)


def test_dropout_is_between_layers_and_only_in_training() -> None:
    deep, single = made("gru", 2, dropout=0.5), made("gru", 1, dropout=0.5)
    x = torch.randn(TIME, len(LENGTHS), INPUTS)
    assert not torch.equal(deep(x, LENGTHS), deep(x, LENGTHS))
    assert torch.equal(single(x, LENGTHS), single(x, LENGTHS))
    deep.eval()
    assert torch.equal(deep(x, LENGTHS), deep(x, LENGTHS))


def test_the_forget_gates_of_both_directions_start_open() -> None:
    for layer in made("lstm", 2).layers:
        for suffix in ("l0", "l0_reverse"):
            bias = layer.get_parameter(f"bias_ih_{suffix}") + layer.get_parameter(f"bias_hh_{suffix}")
            assert torch.equal(bias[HIDDEN : 2 * HIDDEN], torch.ones(HIDDEN))


def test_another_kind_is_refused() -> None:
    with pytest.raises(AnamnesisError, match="bidirectional: found 'scrn'; allowed: rnn, gru, lstm"):
        BidirectionalStack("scrn", INPUTS, HIDDEN)
