"""The small language model whose gradients are measured: training by truncated BPTT, and perplexity."""

from collections.abc import Callable, Iterator
from math import exp

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_, get_total_norm

from anamnesis.errors import AnamnesisError
from anamnesis.nn.stack import detach
from anamnesis.tasks.memory.model.network import ProbeNetwork
from anamnesis.tasks.memory.settings import Training

# Tokens in a segment when a text is scored; affects only time and memory.
CHUNK = 4096


def fit(
    network: ProbeNetwork, ids: NDArray[np.integer], training: Training, unroll: int, advance: Callable[[], object]
) -> list[tuple[float, float]]:
    """Train on parallel streams of a text; the state after one segment is the state before the next.

    Args:
        ids: (tokens,), any integer type.
        unroll: steps of truncated BPTT.
        advance: called after each optimiser step.

    Returns:
        The global norm of the gradient before and after clipping, for each optimiser step.

    Raises:
        AnamnesisError: a gradient is NaN or infinite, or the text is too short for the streams.
    """
    parameters = list(network.parameters())
    optimizer = torch.optim.Adam(parameters, lr=training.learning_rate, fused=True)
    norms: list[tuple[float, float]] = []
    for _ in range(training.epochs):
        state = network.stack.initial_state(training.batch)
        for inputs, targets in segments(ids, training.batch, unroll):
            logits, state = network(inputs, detach(state))
            optimizer.zero_grad()
            torch.autograd.backward(cross_entropy(logits.flatten(0, 1), targets.flatten()))
            before = clip_grad_norm_(parameters, training.clip_norm)
            if not torch.isfinite(before):
                raise AnamnesisError(
                    f"the gradient on the text is {before.item()} at step {len(norms) + 1}; nothing was kept. "
                    "Lower training.learning_rate or training.clip_norm"
                )
            after = get_total_norm([each.grad for each in parameters if each.grad is not None])
            norms.append((before.item(), after.item()))
            optimizer.step()
            advance()
    return norms


def segments(ids: NDArray[np.integer], batch: int, unroll: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut a text into `batch` streams, and these into segments of `unroll` steps; the last segment may be shorter.

    Yields:
        Inputs and targets, each (time, batch), int64.
    """
    length = (len(ids) - 1) // batch
    if length == 0:
        raise AnamnesisError(f"training.batch: found {batch}; allowed: below the {len(ids)} tokens of the text")
    inputs, targets = (
        torch.from_numpy(ids[shift : shift + length * batch].astype(np.int64).reshape(batch, length).T.copy())
        for shift in (0, 1)
    )
    return zip(torch.split(inputs, unroll), torch.split(targets, unroll), strict=True)


def steps(tokens: int, training: Training, unroll: int) -> int:
    """The number of optimiser steps that `fit` takes on a text of `tokens` tokens."""
    return training.epochs * -(-((tokens - 1) // training.batch) // unroll)


@torch.no_grad()
def perplexity(network: ProbeNetwork, ids: NDArray[np.integer]) -> float:
    """exp of the mean loss over all tokens but the first, of one stream from a zero state."""
    state, total = network.stack.initial_state(1), 0.0
    for inputs, targets in segments(ids, 1, CHUNK):
        logits, state = network(inputs, state)
        total += cross_entropy(logits[:, 0], targets[:, 0], reduction="sum").double().item()
    return exp(total / (len(ids) - 1))
