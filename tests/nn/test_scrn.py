"""The network with context features against a plain loop of its equations, in every option."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch
from scrn_loop import torch_loop

from anamnesis.errors import AnamnesisError
from anamnesis.nn.cells import scrn
from anamnesis.nn.cells.scrn import SCRN

INPUTS, HIDDEN, CONTEXT, BATCH = 5, 6, 4, 3
OPTIONS = [
    {"activation": activation, "feed": feed, "alpha": alpha, "learned_alpha": learned}
    for activation, feed, (alpha, learned) in product(
        ("sigmoid", "tanh"), ("current", "previous"), ((0.0, False), (0.95, False), (0.9, True))
    )
]


def name(options: dict[str, Any]) -> str:
    learned = "learned " if options["learned_alpha"] else ""
    return f"{options['activation']}, {options['feed']}, {learned}{options['alpha']}"


def layer_and_inputs(options: dict[str, Any], dtype: torch.dtype, time: int) -> tuple[SCRN, list[torch.Tensor]]:
    """A layer, and inputs and a state that is not zero, all of which want gradients."""
    torch.manual_seed(0)
    layer = SCRN(INPUTS, HIDDEN, CONTEXT, **options).to(dtype)
    if layer.alpha_logit is not None:
        with torch.no_grad():
            # As after some training: each unit forgets at a rate of its own.
            layer.alpha_logit.add_(torch.randn(CONTEXT, dtype=dtype))
    shapes = [(time, BATCH, INPUTS), (BATCH, HIDDEN), (BATCH, CONTEXT)]
    return layer, [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


@pytest.fixture(params=["loop", "products", "kernel"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the layer computes: as on a CPU for many sequences, for few, or as on a GPU."""
    monkeypatch.setattr(scrn, "SMALL", 10**9 if request.param == "products" else 0)
    if request.param == "kernel":
        monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    return str(request.param)


@pytest.fixture
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Products of 4 steps, so that short segments have several."""
    monkeypatch.setattr(scrn, "BLOCK", 5)
    scrn._triangle.cache_clear()
    yield
    scrn._triangle.cache_clear()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("time", [1, 7, 300])
@pytest.mark.parametrize("options", OPTIONS, ids=name)
def test_values_and_gradients_equal_the_loop(
    options: dict[str, Any], time: int, dtype: torch.dtype, tolerance: float
) -> None:
    layer, places = layer_and_inputs(options, dtype, time)
    outputs, _ = layer(places[0], tuple(places[1:]))
    expected = torch_loop(layer, *places)
    torch.testing.assert_close(outputs, expected, atol=tolerance, rtol=tolerance)
    weight = torch.randn_like(outputs) / time
    actual = torch.autograd.grad((outputs * weight).sum(), [*places, *layer.parameters()])
    wanted = torch.autograd.grad((expected * weight).sum(), [*places, *layer.parameters()], materialize_grads=True)
    torch.testing.assert_close(actual, wanted, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("keep", [0.0, 1e-3, 0.5, 0.95, 0.9999, 1 - 1e-7])
@pytest.mark.parametrize("time", [1, 50, 127, 128, 400])
def test_products_give_the_decayed_sums_in_single_precision(time: int, keep: float) -> None:
    torch.manual_seed(0)
    rows = torch.randn(time + 1, BATCH, CONTEXT)
    expected = [rows[0].double()]
    for row in rows[1:]:
        expected.append(row + keep * expected[-1])
    wanted = torch.stack(expected)
    shared = scrn._triangle(keep, torch.float32, torch.device("cpu"))
    own = scrn._triangles(torch.full((CONTEXT,), keep, dtype=torch.float64), time + 1).float()
    for matrix in (shared, own):
        actual = scrn._sum_with_decay(matrix, rows.clone())
        torch.testing.assert_close(actual.double(), wanted, rtol=0, atol=1e-6 * float(wanted.abs().max()))


@pytest.mark.usefixtures("way", "short_blocks")
@pytest.mark.parametrize("time", [4, 5, 11])
@pytest.mark.parametrize("options", OPTIONS, ids=name)
def test_gradients_are_the_slopes_of_the_layer(options: dict[str, Any], time: int) -> None:
    layer, places = layer_and_inputs(options, torch.float64, time)

    def run(*values: torch.Tensor) -> torch.Tensor:
        x, h, s, *weights = values
        named = dict(zip((each for each, _ in layer.named_parameters()), weights, strict=True))
        outputs: torch.Tensor = torch.func.functional_call(layer, named, (x, (h, s)))[0]
        return outputs

    assert torch.autograd.gradcheck(run, (*places, *layer.parameters()), fast_mode=True)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("options", OPTIONS, ids=name)
def test_state_and_gradient_pass_from_segment_to_segment(options: dict[str, Any]) -> None:
    layer, (x, h, s) = layer_and_inputs(options, torch.float64, 30)
    whole, end = layer(x, (h, s))
    state, pieces = (h, s), []
    for segment in x.split([1, 12, 17]):
        outputs, state = layer(segment, state)
        pieces.append(outputs)
    torch.testing.assert_close(torch.cat(pieces), whole)
    torch.testing.assert_close(state, end)
    values = [x, h, s, *layer.parameters()]
    weight = torch.randn_like(whole)
    torch.testing.assert_close(
        torch.autograd.grad((torch.cat(pieces) * weight).sum(), values),
        torch.autograd.grad((whole * weight).sum(), values),
    )


@pytest.mark.usefixtures("way")
def test_inputs_in_any_memory_layout_are_read_alike() -> None:
    layer, (x, h, s) = layer_and_inputs(OPTIONS[0], torch.float32, 9)
    strided = x.detach().permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert not strided.is_contiguous()
    torch.testing.assert_close(layer(strided, (h, s))[0], layer(x, (h, s))[0])


@pytest.mark.usefixtures("way")
def test_a_training_may_follow_a_prediction() -> None:
    """The matrix of powers is kept; made in inference mode, it could not be used for gradients."""
    scrn._triangle.cache_clear()
    layer, (x, h, s) = layer_and_inputs(OPTIONS[0], torch.float32, 9)
    with torch.inference_mode():
        predicted, _ = layer(x, (h, s))
    outputs, _ = layer(x, (h, s))
    outputs.sum().backward()
    assert torch.equal(outputs, predicted)


def test_learned_alphas_start_at_alpha() -> None:
    layer = SCRN(INPUTS, HIDDEN, CONTEXT, alpha=0.9, learned_alpha=True)
    assert layer.alpha_logit is not None
    torch.testing.assert_close(layer.alpha_logit.sigmoid(), torch.full((CONTEXT,), 0.9))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"alpha": 1.0}, "alpha: found 1.0"),
        ({"alpha": 0.0, "learned_alpha": True}, "alpha: found 0"),
        ({"activation": "relu"}, "activation: found 'relu'; allowed: sigmoid, tanh"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(AnamnesisError, match=named):
        SCRN(INPUTS, HIDDEN, CONTEXT, **options)
