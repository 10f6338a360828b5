"""Long short-term memory written out gate by gate, for reading beside the fused kernel."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

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
        """See `Layer`; in the precision of the weights, also where other layers run in half of it."""
        with torch.autocast(inputs.device.type, enabled=False):
            dtype = self.weight_hh_l0.dtype
            h, c = (part.to(dtype) for part in state)
            weights = (self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0)
            outputs, last = _Steps.apply(inputs.to(dtype), h, c, *weights)
        return outputs, (outputs[-1], last)

    def single_step(self) -> SingleStep:
        """See `Layer`."""
        return lstm_step(self)


class _Steps(torch.autograd.Function):
    """h_1 .. h_T and c_T of x (time, batch, inputs), h_0 and c_0 (batch, hidden), and the parameters of the layer.

    The steps are a loop. All products but W_h h_{t-1} and its transpose are made for the whole segment.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h: Tensor, c: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor
    ) -> tuple[Tensor, Tensor]:
        gates = torch.addmm(b_x + b_h, x.flatten(0, 1), w_x.mT).unflatten(0, x.shape[:2])
        outputs, last, kept = (_fused_steps if x.is_cuda else _steps)(gates, h, c, w_h)
        ctx.save_for_backward(x, h, c, w_x, w_h, outputs, *kept)
        return outputs, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, last: Tensor) -> tuple[Tensor, ...]:
        x, h, c, w_x, w_h, outputs, *kept = ctx.saved_tensors
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        gates, to_c = (_fused_steps_back if x.is_cuda else _steps_back)(gradient, last, c, w_h, kept)
        flat = gates.flatten(0, 1)
        to_weights = flat.mT @ x.flatten(0, 1), flat.mT @ torch.cat([h[None], outputs[:-1]]).flatten(0, 1)
        bias = flat.sum(0)
        return (flat @ w_x).view_as(x), gates[0] @ w_h, to_c, *to_weights, bias, bias


def _steps(gates: Tensor, h: Tensor, c: Tensor, w_h: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The equations in place, step by step.

    Args:
        gates: W_x x_t + b of all steps, (time, batch, 4 * hidden); overwritten.
        h, c: the state before the first step.
        w_h: W_h.

    Returns:
        h_1 .. h_T, c_T, and what `_steps_back` needs.
    """
    hidden, transposed = h.shape[1], w_h.mT.contiguous()
    outputs = gates.new_empty(*gates.shape[:2], hidden)
    cells, shown = torch.empty_like(outputs), torch.empty_like(outputs)
    enter_and_stay = gates[..., : 2 * hidden].unbind()
    i, f, g, o = (part.unbind() for part in gates.chunk(4, dim=-1))
    for t, (total, cell) in enumerate(zip(gates.unbind(), cells.unbind(), strict=True)):
        total.addmm_(h, transposed)
        enter_and_stay[t].sigmoid_()
        g[t].tanh_()
        o[t].sigmoid_()
        c = torch.mul(f[t], c, out=cell).addcmul_(i[t], g[t])
        h = torch.mul(o[t], torch.tanh(c, out=shown[t]), out=outputs[t])
    return outputs, c.clone(), [gates, cells, shown]


def _steps_back(gradient: Tensor, last: Tensor, c: Tensor, w_h: Tensor, kept: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The gradients of `_steps`.

    Args:
        gradient: of h_1 .. h_T; overwritten.
        last: that of c_T.
        c: c_0.
        w_h: W_h.
        kept: from `_steps`.

    Returns:
        The gradient of what stands inside the gates' activations, (time, batch, 4 * hidden), and that of c_0.
    """
    gates, cells, shown = kept
    i, f, g, o = gates.chunk(4, dim=-1)
    before = torch.cat([c[None], cells[:-1]])
    # What does not depend on the gradient: the slope of sigmoid is i - i^2, that of tanh is 1 - g^2.
    slopes = torch.empty_like(gates).unflatten(-1, (4, -1))
    torch.mul(i - i * i, g, out=slopes[..., 0, :])
    torch.mul(f - f * f, before, out=slopes[..., 1, :])
    torch.mul(1 - g * g, i, out=slopes[..., 2, :])
    torch.mul(o - o * o, shown, out=slopes[..., 3, :])
    to_cell = (o * (1 - shown * shown)).unbind()
    inside, of_cell, of_output = slopes.flatten(2).unbind(), slopes[:, :, :3].unbind(), slopes[:, :, 3].unbind()
    stays, rows, to_c = f.unbind(), gradient.unbind(), last.clone()
    for t in reversed(range(len(rows))):
        to_c.addcmul_(rows[t], to_cell[t])
        of_cell[t].mul_(to_c[:, None])
        of_output[t].mul_(rows[t])
        to_c.mul_(stays[t])
        if t:
            rows[t - 1].addmm_(inside[t], w_h)
    return slopes.flatten(2), to_c


def _fused_steps(gates: Tensor, h: Tensor, c: Tensor, w_h: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """`_steps` for a GPU: a step is a product and the kernel of `nn.LSTMCell`, which does the rest."""
    transposed = w_h.mT
    outputs, cells, activated = list[Tensor](), list[Tensor](), list[Tensor]()
    for total in gates.unbind():
        h, c, four = torch.ops.aten._thnn_fused_lstm_cell(total, torch.mm(h, transposed), c)
        outputs.append(h)
        cells.append(c)
        activated.append(four)
    return torch.stack(outputs), c, [*cells, *activated]


def _fused_steps_back(
    gradient: Tensor, last: Tensor, c: Tensor, w_h: Tensor, kept: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """`_steps_back` for a GPU."""
    rows = gradient.unbind()
    cells, activated, inside = [c, *kept[: len(rows)]], kept[len(rows) :], list[Tensor]()
    for t in reversed(range(len(rows))):
        four, last, _ = torch.ops.aten._thnn_fused_lstm_cell_backward_impl(
            rows[t], last, cells[t], cells[t + 1], activated[t], False
        )
        inside.append(four)
        if t:
            rows[t - 1].addmm_(four, w_h)
    return torch.stack(inside[::-1]), last
