"""The interface of a recurrent layer."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

LayerState = tuple[Tensor, ...]
"""The parts of one layer's state, each (batch, size); the first is the hidden state."""

Array = NDArray[np.float32]
ArrayState = tuple[Array, ...]
"""The parts of one layer's state for a single sequence, each (size,)."""

SingleStep = tuple[Callable[[Array], Array], Callable[[Array, ArrayState], tuple[Array, ArrayState]]]
"""Two functions that compute one time step of one layer for a single sequence, without changing their arguments.

`project(x)` multiplies an input (inputs,) with the weights that it meets first. `step(projected, state)` returns the
output (outputs,) and the next state.
"""


class Layer:
    """A recurrent layer. A cell is an `nn.Module` that also derives from this class.

    Its constructor takes `(inputs, hidden)`, the features of one time step and the units of the hidden state, and its
    options by name. `forward(inputs, state)` reads a segment (time, batch, inputs) and returns the outputs (time,
    batch, `outputs`) and the state after the last step.

    Attributes:
        outputs: features of one step of the output.
        state_sizes: features of each part of the state.
    """

    outputs: int
    state_sizes: tuple[int, ...]

    def initial_state(self, batch: int) -> LayerState:
        """The zero state of `batch` sequences, on the device and in the precision of the layer's parameters."""
        assert isinstance(self, nn.Module)
        like = next(self.parameters())
        return tuple(like.new_zeros(batch, size) for size in self.state_sizes)

    def single_step(self) -> SingleStep:
        """One time step in NumPy, for generation, where starting a fused kernel takes longer than its work.

        A cell may override this method. By default the step runs the layer itself.
        """
        assert isinstance(self, nn.Module)
        device = next(self.parameters()).device

        def step(x: Array, state: ArrayState) -> tuple[Array, ArrayState]:
            with torch.inference_mode():
                # Copies: the arrays belong to the caller, and a layer may work in place.
                before = tuple(torch.tensor(part, device=device)[None] for part in state)
                outputs, after = self(torch.tensor(x, device=device)[None, None], before)
                return outputs[0, 0].cpu().numpy(), tuple(part[0].cpu().numpy() for part in after)

        return lambda x: x, step
