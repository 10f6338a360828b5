"""Single time steps of a stack in NumPy, for generation, where starting a fused kernel takes longer than its work."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from anamnesis.nn.layer import Array, ArrayState
from anamnesis.nn.numpy_weights import weights_of
from anamnesis.nn.stack import RecurrentStack

Read = tuple[Array, Array]
"""An input (inputs,), and what it adds to the first layer's gates."""


def steps_of(stack: RecurrentStack) -> tuple[Callable[[Array], Read], Callable[[Read, list[ArrayState]], Array]]:
    """Two functions that together compute one time step of a stack in evaluation mode, for one sequence.

    The first depends on the input only, so that a caller whose inputs recur, such as tokens, can store its results.

    Args:
        stack: its weights are read once, here.

    Returns:
        read(input (inputs,)), and step(read, state) -> the stack's output (outputs,). The state holds for each layer
        its parts, each (size,); step puts the next state in its place, and changes no array.
    """
    layers = [layer.single_step() for layer in stack.layers]  # type: ignore[operator]
    norms = [_norm(norm) for norm in stack.norms]

    def read(x: Array) -> Read:
        return x, layers[0][0](x)

    def plain(given: Read, state: list[ArrayState]) -> Array:
        outputs, state[0] = layers[0][1](given[1], state[0])
        for index, (project, advance) in enumerate(layers[1:], start=1):
            outputs, state[index] = advance(project(outputs), state[index])
        return outputs

    if not norms and not stack.residual:
        return read, plain

    def step(given: Read, state: list[ArrayState]) -> Array:
        x, projected = given
        for index, (project, advance) in enumerate(layers):
            outputs, state[index] = advance(project(x) if index else projected, state[index])
            if norms:
                outputs = norms[index](outputs)
            x = outputs + x if stack.residual and outputs.shape == x.shape else outputs
        return x

    return read, step


def _norm(norm: Any) -> Callable[[Array], Array]:
    weight, bias = weights_of(norm, "weight", "bias")
    if isinstance(norm, nn.LayerNorm):

        def normalise(x: Array) -> Array:
            centred = x - x.mean()
            result: Array = centred / np.sqrt(centred.dot(centred) / np.float32(x.size) + np.float32(norm.eps))
            return result * weight + bias

        return normalise
    mean, variance = weights_of(norm, "running_mean", "running_var")
    slope = weight / np.sqrt(variance + np.float32(norm.eps))
    return lambda x: (x - mean) * slope + bias
