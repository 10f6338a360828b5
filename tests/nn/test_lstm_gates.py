"""The LSTM written gate by gate against PyTorch's own, by both of its ways; `test_layers` has the equations."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from anamnesis.nn.cells.lstm import LSTM
from anamnesis.nn.cells.lstm_gates import GatesLSTM

INPUTS, HIDDEN, BATCH = 5, 6, 3


def fused(from_x: Tensor, from_h: Tensor, c: Tensor, b_x: Any = None, b_h: Any = None) -> tuple[Tensor, ...]:
    """What PyTorch's kernel of one step computes: h_t, c_t, and what its gradient needs."""
    assert b_x is b_h is None
    i, f, g, o = (from_x + from_h).chunk(4, dim=1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    after = f * c + i * g
    return o * after.tanh(), after, torch.cat([i, f, g, o], dim=1)


def fused_back(of_h: Tensor, of_c: Tensor, c: Tensor, after: Tensor, kept: Tensor, bias: bool) -> tuple[Tensor, ...]:
    """The gradients of that: of the sum of both products, of the cell before, and of no bias."""
    assert not bias
    i, f, g, o = kept.chunk(4, dim=1)
    of_c = of_c + of_h * o * (1 - after.tanh() ** 2)
    parts = of_c * g * i * (1 - i), of_c * c * f * (1 - f), of_c * i * (1 - g**2), of_h * after.tanh() * o * (1 - o)
    return torch.cat(parts, dim=1), of_c * f, torch.empty(0)


@pytest.fixture(params=["loop", "kernel"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """How the layer computes: as on a CPU, or as on a GPU, whose kernel of one step CPUs lack."""
    library = torch.library.Library("aten", "IMPL")
    if request.param == "kernel":
        library.impl("_thnn_fused_lstm_cell", fused, "CPU")
        library.impl("_thnn_fused_lstm_cell_backward_impl", fused_back, "CPU")
        monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    yield str(request.param)
    library._destroy()


def layers_and_places(time: int) -> tuple[GatesLSTM, LSTM, list[Tensor]]:
    """Two layers with equal weights, and x, h and c that want gradients, in double precision."""
    torch.manual_seed(0)
    ours, theirs = GatesLSTM(INPUTS, HIDDEN).double(), LSTM(INPUTS, HIDDEN).double()
    theirs.load_state_dict(ours.state_dict())
    shapes = [(time, BATCH, INPUTS), (BATCH, HIDDEN), (BATCH, HIDDEN)]
    return ours, theirs, [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("time", [1, 2, 9])
def test_values_and_gradients_equal_those_of_pytorch(time: int) -> None:
    """Those of the outputs and of both parts of the last state."""
    ours, theirs, places = layers_and_places(time)
    weights = [torch.randn(shape, dtype=torch.float64) for shape in ((time, BATCH, HIDDEN), *[(BATCH, HIDDEN)] * 2)]
    results = []
    for layer in (ours, theirs):
        outputs, state = layer(places[0], tuple(places[1:]))
        values = [outputs, *state]
        loss = sum((value * weight).sum() for value, weight in zip(values, weights, strict=True))
        results.append([*values, *torch.autograd.grad(loss, [*places, *layer.parameters()])])
    torch.testing.assert_close(*results)


@pytest.mark.usefixtures("way")
def test_a_segment_in_two_parts_is_the_same_segment() -> None:
    layer, _, (x, h, c) = layers_and_places(9)
    whole, end = layer(x, (h, c))
    first, state = layer(x[:4], (h, c))
    second, last = layer(x[4:].permute(1, 2, 0).contiguous().permute(2, 0, 1), state)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    torch.testing.assert_close(last, end)
    values = [x, h, c, *layer.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(torch.cat([first, second]).square().sum(), values),
        torch.autograd.grad(whole.square().sum(), values),
    )


@pytest.mark.usefixtures("way")
def test_autocast_does_not_shorten_the_cell() -> None:
    layer, _, places = layers_and_places(9)
    layer.float()
    x, h, c = (place.detach().float() for place in places)
    expected, _ = layer(x, (h, c))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs, state = layer(x, (h.bfloat16().float(), c))
    assert state[1].dtype == torch.float32
    torch.testing.assert_close(outputs, expected, rtol=0, atol=5e-3)
