"""Each attention against its formula in loops: scores, softmax over the real steps, context vector."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anamnesis.nn.attention import Additive, Attention, Multiplicative

BATCH, TARGET, SOURCE, QUERY, MEMORY, UNITS = 3, 4, 6, 5, 7, 8
LENGTHS = [6, 1, 4]
KINDS: dict[str, Callable[[], Attention]] = {
    "additive": lambda: Additive(QUERY, MEMORY, UNITS),
    "multiplicative": lambda: Multiplicative(QUERY, MEMORY),
}


def example(kind: str) -> tuple[Attention, torch.Tensor, torch.Tensor, torch.Tensor]:
    """An attention with large weights, queries, a memory, and a mask of the steps that are no padding."""
    torch.manual_seed(3)
    attention = KINDS[kind]().double()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    real = torch.arange(SOURCE)[None] < torch.tensor(LENGTHS)[:, None]
    return attention, torch.randn(BATCH, TARGET, QUERY).double(), torch.randn(BATCH, SOURCE, MEMORY).double(), real


def score(attention: Attention, query: NDArray[np.float64], memory: NDArray[np.float64]) -> float:
    """Of one query (query size,) and one step (memory size,), as the papers write it."""
    weights = {name: value.detach().numpy() for name, value in attention.named_parameters()}
    if isinstance(attention, Multiplicative):
        return float(query @ weights["memory.weight"] @ memory)
    inner = weights["query.weight"] @ query + weights["query.bias"] + weights["memory.weight"] @ memory
    return float(weights["score.weight"][0] @ np.tanh(inner))


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_formula_in_loops(kind: str) -> None:
    attention, query, memory, real = example(kind)
    with torch.no_grad():
        context, weights = attention(query, memory, attention.keys(memory), real)
    assert context.shape == (BATCH, TARGET, MEMORY)
    assert weights.shape == (BATCH, TARGET, SOURCE)
    for row, length in enumerate(LENGTHS):
        steps = memory[row, :length].numpy()
        for time in range(TARGET):
            raised = np.exp([score(attention, query[row, time].numpy(), step) for step in steps])
            expected = raised / raised.sum()
            np.testing.assert_allclose(weights[row, time, :length], expected, rtol=1e-9)
            mean = sum(share * step for share, step in zip(expected, steps, strict=True))
            np.testing.assert_allclose(context[row, time], mean, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing_and_gets_no_gradient(kind: str) -> None:
    attention, query, memory, real = example(kind)
    before = attention(query, memory, attention.keys(memory), real)
    other = memory.masked_fill(~real[..., None], 1e3).requires_grad_()
    after = attention(query, other, attention.keys(other), real)
    for first, second in zip(before, after, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0)
    after[0].square().sum().backward()
    assert other.grad is not None
    assert not other.grad[~real].any()
    assert other.grad[real].any(-1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_everything(kind: str) -> None:
    attention, query, memory, real = example(kind)
    query.requires_grad_()
    context, _ = attention(query, memory, attention.keys(memory), real)
    context.square().sum().backward()
    for name, parameter in attention.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(-1).all(), name
    assert query.grad is not None
    # A memory of one step has but one answer, whatever is asked.
    assert query.grad.any(-1).any(-1).tolist() == [length > 1 for length in LENGTHS]
