"""The gated recurrent unit."""

import numpy as np
from torch import Tensor, nn

from anamnesis.nn.layer import Array, ArrayState, Layer, LayerState, SingleStep
from anamnesis.nn.numpy_weights import project_with, torch_weights


class GRU(nn.GRU, Layer):
    """Gated recurrent unit (Cho et al. 2014) with PyTorch's equations: the reset gate follows the product."""

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
        hidden = w_h.shape[1]

        def step(projected: Array, state: ArrayState) -> tuple[Array, ArrayState]:
            from_h = w_h.dot(state[0])
            from_h += b_h
            # sigmoid(a) = (1 + tanh(a / 2)) / 2
            gates = projected[: 2 * hidden] + from_h[: 2 * hidden]
            gates *= 0.5
            np.tanh(gates, out=gates)
            gates += 1.0
            gates *= 0.5
            candidate = gates[:hidden] * from_h[2 * hidden :]
            candidate += projected[2 * hidden :]
            np.tanh(candidate, out=candidate)
            h = candidate + gates[hidden:] * (state[0] - candidate)
            return h, (h,)

        return project_with(w_x, b_x), step
