"""The context network on a device: its closed form and PyTorch's kernel against the equations, step by step."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from scrn_loop import torch_loop
from torch import Tensor

from anamnesis.nn.cells.scrn import SCRN

OPTIONS: dict[str, dict[str, Any]] = {
    "paper": {},
    "tanh": {"activation": "tanh"},
    "previous": {"feed": "previous", "alpha": 0.5},
    "learned": {"learned_alpha": True, "activation": "tanh", "feed": "previous"},
    "no memory": {"alpha": 0.0},
}
TIME, BATCH, INPUTS, HIDDEN, UNITS = 37, 5, 6, 8, 7


def gradients(run: Callable[[Tensor], Tensor], layer: SCRN, inputs: Tensor, weights: Tensor) -> list[Tensor]:
    inputs = inputs.clone().requires_grad_()
    outputs = run(inputs)
    return [outputs, *torch.autograd.grad((outputs * weights).sum(), [inputs, *layer.parameters()])]


def in_two_segments(layer: SCRN, inputs: Tensor) -> Tensor:
    first, state = layer(inputs[:20], layer.initial_state(BATCH))
    return torch.cat([first, layer(inputs[20:], state)[0]])


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    """The way through PyTorch's kernel, on the CPU, too."""
    if device == "cpu":
        monkeypatch.setattr(torch.Tensor, "is_cuda", True)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_kernel_and_closed_form_are_the_equations(device: str, options: dict[str, Any]) -> None:
    """Outputs and all gradients, with a state that is carried into a second segment."""
    torch.manual_seed(1)
    layer = SCRN(INPUTS, HIDDEN, UNITS, **options).to(device)
    inputs, weights = torch.randn(TIME, BATCH, INPUTS, device=device), torch.randn(TIME, BATCH, 15, device=device)
    state = layer.initial_state(BATCH)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        actual = gradients(lambda x: in_two_segments(layer, x), layer, inputs, weights)
    expected = gradients(lambda x: torch_loop(layer, x, *state), layer, inputs, weights)
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("kernel")
def test_the_state_that_is_carried_has_no_gaps_for_the_kernel(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    """cuDNN refuses a state that is a part of wider rows, and computes gradients only in training mode."""
    seen: list[tuple[bool, bool]] = []
    kernel = torch.rnn_tanh

    def watched(inputs: Tensor, h: Tensor, *others: Any) -> Any:
        seen.append((h.is_contiguous(), others[4]))
        return kernel(inputs, h, *others)

    monkeypatch.setattr(torch, "rnn_tanh", watched)
    for activation in ("tanh", "sigmoid"):
        layer = SCRN(INPUTS, HIDDEN, UNITS, activation=activation).to(device)
        in_two_segments(layer, torch.randn(TIME, BATCH, INPUTS, device=device))
    assert seen == [(True, True)] * 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_in_16_bits_the_context_decays_as_it_should(device: str, options: dict[str, Any], dtype: torch.dtype) -> None:
    """The second of two layers reads 16-bit numbers; its alpha and its sums must not be rounded to them."""
    torch.manual_seed(1)
    layer = SCRN(INPUTS, HIDDEN, UNITS, **{"alpha": 0.99, **options}).to(device)
    inputs, state = torch.randn(300, BATCH, INPUTS, device=device).to(dtype), layer.initial_state(BATCH)
    with torch.autocast(device, dtype=dtype):
        carried = layer(inputs, state)[1]
        h, s = layer(inputs, carried)[1]
    assert s.dtype == torch.float32
    expected = torch_loop(layer, torch.cat([inputs.float()] * 2), *state)[-1].detach()
    scale = float(expected[:, HIDDEN:].abs().max())
    # The products with the inputs have 8 or 11 bits; their errors average out over the steps that are remembered.
    torch.testing.assert_close(s.detach(), expected[:, HIDDEN:], rtol=0, atol=0.01 * scale)
    torch.testing.assert_close(h.detach().float(), expected[:, :HIDDEN], rtol=0, atol=0.03)
