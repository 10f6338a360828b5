"""Gradient flow against finite differences through the fused kernels, and a closed form."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from anamnesis.errors import AnamnesisError
from anamnesis.nn.stack import flatten
from anamnesis.tasks.memory.evaluation import gradients
from anamnesis.tasks.memory.model.network import ProbeNetwork, text_network

VOCABULARY = 5


def network(experiment, architecture: str, hidden: int = 3, **model) -> ProbeNetwork:
    torch.manual_seed(4)
    return text_network(experiment(architecture, model=model).model.with_hidden(hidden), 4, VOCABULARY)


@pytest.mark.parametrize(
    ("architecture", "model"),
    [
        ("rnn", {}),
        ("gru", {}),
        ("lstm", {}),
        ("scrn", {}),
        ("lstm", {"layers": 2}),
        ("gru", {"layers": 2, "norm": "layer"}),
    ],
)
def test_finite_differences(experiment, architecture, model):
    probed = network(experiment, architecture, **model)
    torch.manual_seed(5)
    steps, count, epsilon = 6, 3, 1e-6
    ids = torch.randint(VOCABULARY, (steps + 1, count))
    norms, of_hidden = gradients.gradient_norms(probed, ids)
    assert norms.shape == of_hidden.shape == (steps, count)

    double = probed.double()

    def losses(state, start: int) -> torch.Tensor:
        logits, _ = double(ids[start:steps], double.stack.unflatten(state), last=1)
        return cross_entropy(logits[0], ids[steps], reduction="none")

    with torch.no_grad():
        for distance in range(1, steps):
            start = steps - distance
            _, state = double(ids[:start])
            parts = [part.clone() for part in flatten(state)]
            squares, squares_hidden = torch.zeros(2, count, dtype=torch.double)
            first = {id(layer[0]) for layer in double.stack.unflatten(parts)}
            for part in parts:
                for unit in range(part.shape[1]):
                    part[:, unit] += epsilon
                    above = losses(parts, start)
                    part[:, unit] -= 2 * epsilon
                    square = ((above - losses(parts, start)) / (2 * epsilon)).square()
                    squares += square
                    if id(part) in first:
                        squares_hidden += square
                    part[:, unit] += epsilon
            np.testing.assert_allclose(norms[distance], squares.sqrt().numpy(), rtol=1e-5, atol=1e-9)
            np.testing.assert_allclose(of_hidden[distance], squares_hidden.sqrt().numpy(), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.25])
def test_closed_form_of_a_linear_diagonal_network(experiment, factor):
    """With positive inputs h_t = factor h_{t-1} + x_t: the gradient is factor ** distance times the last one."""
    probed = network(experiment, "rnn-relu")
    with torch.no_grad():
        probed.encoder.weight.abs_()
        layer = probed.stack.layers[0]
        layer.weight_ih_l0.abs_()
        layer.weight_hh_l0.copy_(factor * torch.eye(3))
        layer.bias_ih_l0.fill_(0.1)
        layer.bias_hh_l0.fill_(0.1)
    ids = torch.randint(VOCABULARY, (31, 4))
    norms, _ = gradients.gradient_norms(probed, ids)
    np.testing.assert_allclose(norms, norms[:1] * float(np.float32(factor)) ** np.arange(30)[:, None], rtol=1e-9)
    flow = gradients.flow(probed, ids)
    assert flow.decay == pytest.approx(factor, rel=1e-6)
    if factor < 1:
        assert flow.half_life == pytest.approx(math.log(2) / -math.log(factor), rel=1e-5)
    elif factor > 1:
        assert flow.half_life is None


def test_segments_that_a_gradient_does_not_reach_are_left_out():
    means = gradients._log_means(np.array([[2.0, 8.0], [0.0, 3.0], [0.0, 0.0]]))
    np.testing.assert_allclose(np.exp(means), [4.0, 3.0, np.nan])


def test_dead_network_is_refused(experiment):
    probed = network(experiment, "rnn-relu")
    torch.nn.init.zeros_(probed.stack.layers[0].weight_hh_l0)
    with pytest.raises(AnamnesisError, match="all zero"):
        gradients.flow(probed, torch.randint(VOCABULARY, (11, 6)))


def test_segments_spread_over_the_text():
    ids = np.arange(200, dtype=np.uint8)
    found = gradients.segments(ids, 20, 4)
    assert found.shape == (21, 4)
    assert found[0].tolist() == [0, 59, 119, 179]
    assert found[:, 3].tolist() == list(range(179, 200))
    with pytest.raises(AnamnesisError, match=r"text\.length: found 200; allowed: below the 200"):
        gradients.segments(ids, 200, 4)
