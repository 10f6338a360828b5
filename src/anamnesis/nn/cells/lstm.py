"""Long short-term memory."""

import numpy as np
from torch import Tensor, nn

from anamnesis.nn.layer import Array, ArrayState, Layer, LayerState, SingleStep
from anamnesis.nn.numpy_weights import project_with, torch_weights


class LSTM(nn.LSTM, Layer):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; Gers et al. 2000) with the state (h, c).

    The forget gate's bias starts at 1 (Jozefowicz et al. 2015, section 3.1). The other parameters start as in PyTorch,
    uniform in +-1/sqrt(hidden).
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        self.outputs, self.state_sizes = hidden, (hidden, hidden)
        open_forget_gate(self, hidden)

    def forward(self, inputs: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:  # type: ignore[override]
        """See `Layer`."""
        outputs, (h, c) = super().forward(inputs, (state[0][None], state[1][None]))
        return outputs, (h[0], c[0])

    def single_step(self) -> SingleStep:
        """See `Layer`."""
        return lstm_step(self)


def open_forget_gate(layer: nn.Module, hidden: int) -> None:
    """Set the forget gate's bias of an LSTM with PyTorch's parameters to 1, in each direction."""
    for name, bias in layer.named_parameters():
        # PyTorch adds two bias vectors; the gates stand in the order input, forget, candidate, output.
        if name.startswith(("bias_ih", "bias_hh")):
            nn.init.constant_(bias.data[hidden : 2 * hidden], float(name.startswith("bias_ih")))


def lstm_step(layer: nn.Module) -> SingleStep:
    """`Layer.single_step` of a layer with the parameters of `nn.LSTM`."""
    w_x, w_h, b_x, b_h = torch_weights(layer)
    hidden = w_h.shape[1]
    # sigmoid(a) = (1 + tanh(a / 2)) / 2: halving the rows of three gates, which is exact, lets one tanh serve all four.
    rows = np.arange(4 * hidden).reshape(4, hidden)[[0, 1, 3, 2]].ravel()
    scale = np.repeat(np.array([0.5, 1.0], np.float32), [3 * hidden, hidden])
    w_x, w_h, bias = w_x[rows] * scale[:, None], w_h[rows] * scale[:, None], (b_x + b_h)[rows] * scale

    def step(projected: Array, state: ArrayState) -> tuple[Array, ArrayState]:
        total = w_h.dot(state[0])
        total += projected
        np.tanh(total, out=total)
        gates = total[: 3 * hidden]
        gates += 1.0
        gates *= 0.5
        cell = gates[hidden : 2 * hidden] * state[1]
        cell += gates[:hidden] * total[3 * hidden :]
        h = gates[2 * hidden :] * np.tanh(cell)
        return h, (h, cell)

    return project_with(w_x, bias), step
