"""Encoder stacks: a padded batch equals each sequence alone, in one direction and in both, at every depth."""

import pytest
import torch

from anamnesis.nn.encoder import KINDS, EncoderStack

INPUTS, HIDDEN, TIME = 4, 5, 9
LENGTHS = torch.tensor([6, 9, 1, 3])
State = list[tuple[torch.Tensor, ...]]


def new_stack(kind: str, layers: int, bidirectional: bool = True, dropout: float = 0.0) -> EncoderStack:
    torch.manual_seed(0)
    return EncoderStack(kind, INPUTS, HIDDEN, layers, dropout, bidirectional)


def alone(stack: EncoderStack, x: torch.Tensor) -> tuple[torch.Tensor, State]:
    """One sequence (time, inputs) by layers of one direction, every second of which reads it reversed."""
    last: State = []
    for layer in stack.layers:
        ways, states = [], []
        for suffix in ("", "_reverse") if layer.bidirectional else ("",):
            one = type(layer)(layer.input_size, HIDDEN)
            names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
            one.load_state_dict({name: layer.get_parameter(name + suffix) for name in names})
            outputs, state = one(x.flip(0) if suffix else x)
            ways.append(outputs.flip(0) if suffix else outputs)
            states.append([part[0] for part in (state if isinstance(state, tuple) else (state,))])
        x = torch.cat(ways, dim=-1)
        last.append(tuple(torch.cat(parts, dim=-1) for parts in zip(*states, strict=True)))
    return x, last


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_batch_equals_each_sequence_alone(kind: str, layers: int, bidirectional: bool, packed: bool) -> None:
    stack = new_stack(kind, layers, bidirectional)
    x = torch.randn(TIME, len(LENGTHS), INPUTS)
    outputs, last = stack(x, LENGTHS, packed)
    assert outputs.shape == (TIME, len(LENGTHS), stack.outputs)
    assert stack.outputs == (2 * HIDDEN if bidirectional else HIDDEN)
    # Of an LSTM the hidden state and the cell.
    assert [len(parts) for parts in last] == [2 if kind == "lstm" else 1] * layers
    for row, length in enumerate(LENGTHS.tolist()):
        expected, expected_last = alone(stack, x[:length, row])
        torch.testing.assert_close(outputs[:length, row], expected, atol=1e-6, rtol=1e-5)
        assert not outputs[length:, row].any()
        for actual, wanted in zip(last, expected_last, strict=True):
            for part, one in zip(actual, wanted, strict=True):
                assert part.shape == (len(LENGTHS), stack.outputs)
                torch.testing.assert_close(part[row], one, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing_and_gets_no_gradient(
    kind: str, layers: int, bidirectional: bool, packed: bool
) -> None:
    stack = new_stack(kind, layers, bidirectional)
    x = torch.randn(TIME, len(LENGTHS), INPUTS)
    behind = torch.arange(TIME)[:, None] >= LENGTHS
    other = torch.where(behind[..., None], torch.full_like(x, 1e3), x).requires_grad_()
    outputs, last = stack(other, LENGTHS, packed)
    expected, expected_last = stack(x, LENGTHS, packed)
    assert torch.equal(outputs, expected)
    for parts, wanted in zip(last, expected_last, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(parts, wanted, strict=True))
    outputs.square().sum().backward()
    assert other.grad is not None
    assert not other.grad[behind].any()
    assert other.grad[~behind].any(-1).all()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_those_of_the_sequences_alone(kind: str, bidirectional: bool, packed: bool) -> None:
    stack = new_stack(kind, 2, bidirectional)
    x = torch.randn(TIME, len(LENGTHS), INPUTS)

    def loss(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        outputs, last = stack(x, lengths, packed)
        return outputs.square().sum() + sum(part.square().sum() for parts in last for part in parts)

    loss(x, LENGTHS).backward()
    together = [value.grad.clone() for value in stack.parameters() if value.grad is not None]
    stack.zero_grad()
    for row, length in enumerate(LENGTHS.tolist()):
        loss(x[:length, row : row + 1], torch.tensor([length])).backward()
    apart = [value.grad for value in stack.parameters() if value.grad is not None]
    assert len(together) == len(list(stack.parameters()))
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_forget_gates_of_every_direction_start_open(bidirectional: bool) -> None:
    for layer in new_stack("lstm", 2, bidirectional).layers:
        assert layer.bidirectional == bidirectional
        for suffix in ("l0", "l0_reverse") if bidirectional else ("l0",):
            bias = layer.get_parameter(f"bias_ih_{suffix}") + layer.get_parameter(f"bias_hh_{suffix}")
            assert torch.equal(bias[HIDDEN : 2 * HIDDEN], torch.ones(HIDDEN))
