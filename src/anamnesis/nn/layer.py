"""What a recurrent layer offers to everything that is built of layers."""

from torch import Tensor, nn

LayerState = tuple[Tensor, ...]
"""The parts of one layer's state, each (batch, size); the first is the hidden state."""


class Layer:
    """A recurrent layer: mixed into an `nn.Module`, it is all that stacks, tasks and probes know of a cell.

    Its constructor takes `(inputs, hidden)`, the features of one time step and the units of the hidden state, and
    whatever options it has by name. `forward(inputs, state)` reads a segment (time, batch, inputs) and returns the
    outputs (time, batch, `outputs`) and the state after the last step.

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
