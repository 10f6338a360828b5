"""The vanilla recurrent layer with tanh."""

import numpy as np
from torch import Tensor, nn

from anamnesis.nn.layer import Array, ArrayState, Layer, LayerState, SingleStep
from anamnesis.nn.numpy_weights import project_with, torch_weights


class RNN(nn.RNN, Layer):
    """Vanilla RNN: h_t = tanh(W_xh x_t + W_hh h_{t-1} + b) (Elman 1990)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        self.outputs, self.state_sizes = hidden, (hidden,)

    def forward(self, inputs: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:  # type: ignore[override]
        """See `Layer`."""
        outputs, last = super().forward(inputs, state[0][None])
        return outputs, (last[0],)

    def single_step(self) -> SingleStep:
        """See `Layer`."""
        w_x, w_h, b_x, b_h = torch_weights(self)
        tanh = self.nonlinearity == "tanh"

        def step(projected: Array, state: ArrayState) -> tuple[Array, ArrayState]:
            h = w_h.dot(state[0])
            h += projected
            h = np.tanh(h, out=h) if tanh else np.maximum(h, 0, out=h)
            return h, (h,)

        return project_with(w_x, b_x + b_h), step
