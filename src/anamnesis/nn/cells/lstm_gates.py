"""Long short-term memory written out gate by gate, for reading beside the fused kernel."""

import math

import torch
from torch import Tensor, nn

from anamnesis.nn.cells.lstm import lstm_step, open_forget_gate
from anamnesis.nn.layer import Layer, LayerState, SingleStep


class GatesLSTM(nn.Module, Layer):
    """LSTM written out as its equations (Gers et al. 2000; Graves 2013, equations 7 to 11 without peepholes).


        i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + b_i)          how much of the candidate enters
        f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + b_f)          how much of the cell stays
        g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)             the candidate
        o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + b_o)          how much of the cell is shown
        c_t = f_t * c_{t-1} + i_t * g_t
        h_t = o_t * tanh(c_t)

    The state is (h, c). Names, shapes, initial distribution, order of gates (i, f, g, o) and the two bias vectors are
    those of `nn.LSTM`, so that the two can exchange weights. The forget gate's bias starts at 1, as in `LSTM`.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.outputs, self.state_sizes = hidden, (hidden, hidden)
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden, inputs))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias_ih_l0 = nn.Parameter(torch.empty(4 * hidden))
        self.bias_hh_l0 = nn.Parameter(torch.empty(4 * hidden))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden))
        open_forget_gate(self, hidden)

    def forward(self, inputs: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        """See `Layer`."""
        h, c = state
        outputs = []
        # The products of the inputs do not depend on the state: one serves all time steps.
        for from_input in nn.functional.linear(inputs, self.weight_ih_l0, self.bias_ih_l0):
            gates = from_input + nn.functional.linear(h, self.weight_hh_l0, self.bias_hh_l0)
            i, f, g, o = gates.chunk(4, dim=1)
            i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
            c = f * c + i * g
            h = o * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs), (h, c)

    def single_step(self) -> SingleStep:
        """See `Layer`."""
        return lstm_step(self)
