"""The recurrent layer with context features (Mikolov et al. 2015), which computes a whole segment at once.

The context is linear, so a logarithmic number of passes over the segment computes it for all time steps. On a GPU,
PyTorch's fused kernel computes the hidden units. On a CPU that kernel loops over time; `_Hidden` is faster there,
because it computes everything that does not depend on the previous step for the whole segment.
"""

import math
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from anamnesis.errors import AnamnesisError
from anamnesis.nn.layer import Array, ArrayState, Layer, LayerState, SingleStep
from anamnesis.nn.numpy_weights import weights_of


class SCRN(nn.Module, Layer):
    """RNN with context features, SCRN (Mikolov et al. 2015): slow linear units beside the hidden ones.

    "Learning Longer Memory in Recurrent Neural Networks", equations 3 to 5:

        s_t = (1 - alpha) B x_t + alpha s_{t-1}
        h_t = activation(P s_t + A x_t + R h_{t-1})

    The outputs are [h_t, s_t], so that a softmax over them is the paper's y_t = softmax(U h_t + V s_t). The state is
    (h, s). Every weight starts uniform in +-1/sqrt(hidden).

    Args:
        inputs: features of one time step.
        hidden: units of h.
        context: units of s.
        alpha: share of the context that a step keeps, in [0, 1).
        learned_alpha: learn one alpha for each context unit, the sigmoid of a parameter (the paper's section 3.3),
            starting at `alpha`, which must then be above 0.
        activation: "sigmoid" (the paper) or "tanh".
        feed: the context that h_t reads: "current", s_t (the paper), or "previous", s_{t-1} (its authors' program).

    Raises:
        AnamnesisError: an option is none of these.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        context: Annotated[int, Field(ge=1, le=65536, description="context units")],
        alpha: Annotated[float, Field(ge=0, lt=1, description="share of the context that a step keeps")] = 0.95,
        learned_alpha: Annotated[
            bool, Field(description="learn one alpha for each context unit, from `alpha` on")
        ] = False,
        activation: Annotated[
            Literal["sigmoid", "tanh"], Field(description="of the hidden units; the paper has sigmoid")
        ] = "sigmoid",
        feed: Annotated[
            Literal["current", "previous"],
            Field(description="the context that the hidden units read: of this step (the paper) or the previous one"),
        ] = "current",
    ) -> None:
        super().__init__()
        if not 0 <= alpha < 1:
            raise AnamnesisError(f"alpha: found {alpha}; allowed: at least 0 and below 1")
        if learned_alpha and alpha == 0:
            raise AnamnesisError("alpha: found 0 with learned_alpha; allowed: above 0, or its sigmoid could not move")
        if activation not in ("sigmoid", "tanh"):
            raise AnamnesisError(f"activation: found {activation!r}; allowed: sigmoid, tanh")
        if feed not in ("current", "previous"):
            raise AnamnesisError(f"feed: found {feed!r}; allowed: current, previous")
        self.outputs, self.state_sizes = hidden + context, (hidden, context)
        self.alpha, self.activation, self.feed = alpha, activation, feed
        self.weight_xs = nn.Parameter(torch.empty(context, inputs))
        self.weight_sh = nn.Parameter(torch.empty(hidden, context))
        self.weight_xh = nn.Parameter(torch.empty(hidden, inputs))
        self.weight_hh = nn.Parameter(torch.empty(hidden, hidden))
        for weight in (self.weight_xs, self.weight_sh, self.weight_xh, self.weight_hh):
            nn.init.uniform_(weight, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden))
        self.alpha_logit: nn.Parameter | None = None
        if learned_alpha:
            self.alpha_logit = nn.Parameter(torch.full((context,), math.log(alpha / (1 - alpha))))

    def forward(self, inputs: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        """See `Layer`; in the precision of the weights, also where other layers run in half of it: the sums over a
        segment are too long for its digits."""
        with torch.autocast(inputs.device.type, enabled=False):
            h, s = (part.to(self.weight_xs.dtype) for part in state)
            return self._read(inputs.to(self.weight_xs.dtype), h, s)

    def _read(self, inputs: Tensor, h: Tensor, s: Tensor) -> tuple[Tensor, LayerState]:
        """`forward` for one dtype; the context first, because it does not depend on the hidden units."""
        keep = inputs.new_full((1,), self.alpha) if self.alpha_logit is None else self.alpha_logit.sigmoid()
        # 1 - alpha scales the matrix instead of the longer product.
        context: Tensor = _Decay.apply(nn.functional.linear(inputs, (1 - keep)[:, None] * self.weight_xs), keep, s)
        read = context if self.feed == "current" else torch.cat([s[None], context[:-1]])
        if not inputs.is_cuda:
            weights = (self.weight_sh, self.weight_xh, self.weight_hh)
            outputs = torch.cat([_Hidden.apply(read, inputs, h, *weights, self.activation == "sigmoid"), context], -1)
        elif self.activation == "tanh":
            hidden = _tanh_rnn([read, inputs], h, [self.weight_sh, self.weight_xh], self.weight_hh)
            outputs = torch.cat([hidden, context], -1)
        else:
            # sigmoid(a) = (1 + tanh(a / 2)) / 2, so g = 2 h - 1 is a recurrence that the kernel of tanh runs:
            # g_t = tanh((P s_t + A x_t) / 2 + R g_{t-1} / 4 + R 1 / 4).
            quarter = self.weight_hh / 4
            g = _tanh_rnn([read, inputs], 2 * h - 1, [self.weight_sh / 2, self.weight_xh / 2], quarter, quarter.sum(1))
            outputs = torch.cat([(1 + g) / 2, context], -1)
        last = outputs[-1]
        return outputs, (last[:, : self.state_sizes[0]], last[:, self.state_sizes[0] :])

    def single_step(self) -> SingleStep:
        """See `Layer`."""
        w_xs, w_sh, w_xh, w_hh = weights_of(self, "weight_xs", "weight_sh", "weight_xh", "weight_hh")
        context = len(w_xs)
        keep: Any = np.float32(self.alpha)
        if self.alpha_logit is not None:
            keep = self.alpha_logit.detach().sigmoid().cpu().numpy()
        sigmoid, current = self.activation == "sigmoid", self.feed == "current"
        # sigmoid(a) = (1 + tanh(a / 2)) / 2
        scale = np.float32(0.5 if sigmoid else 1.0)
        w_x = np.concatenate([w_xs * np.reshape(1 - keep, (-1, 1)), w_xh * scale])
        w_s, w_h = w_sh * scale, w_hh * scale

        def step(projected: Array, state: ArrayState) -> tuple[Array, ArrayState]:
            before = state[1]
            s = projected[:context] + keep * before
            h = w_h.dot(state[0])
            h += w_s.dot(s if current else before)
            h += projected[context:]
            np.tanh(h, out=h)
            if sigmoid:
                h += 1.0
                h *= 0.5
            return np.concatenate([h, s]), (h, s)

        return w_x.dot, step


def _tanh_rnn(
    inputs: list[Tensor], h: Tensor, weights: list[Tensor], weight_hh: Tensor, bias: Tensor | None = None
) -> Tensor:
    """h_1 .. h_T of h_t = tanh(sum_i W_i x_i,t + W_hh h_{t-1} + bias), by PyTorch's fused kernel."""
    parameters = [torch.cat(weights, 1), weight_hh]
    if bias is not None:
        parameters += [bias, torch.zeros_like(bias)]
    # cuDNN refuses a state with gaps, which a part of the last outputs has, and has gradients only in training.
    segment, first, train = torch.cat(inputs, -1), h[None].contiguous(), torch.is_grad_enabled()
    return torch.rnn_tanh(segment, first, parameters, bias is not None, 1, 0.0, train, False, False)[0]


class _Hidden(torch.autograd.Function):
    """h_1 .. h_T of h_t = activation(P s_t + A x_t + R h_{t-1}), for the CPU.

    There PyTorch's kernel is a loop that remembers and multiplies step by step whatever its gradient needs. Here all
    products but R h_{t-1} and its transpose are made for the whole segment, and the steps that remain work in place.
    """

    @staticmethod
    def forward(
        ctx: Any, s: Tensor, x: Tensor, h: Tensor, w_sh: Tensor, w_xh: Tensor, w_hh: Tensor, sigmoid: bool
    ) -> Tensor:
        before, transposed = h, w_hh.mT.contiguous()
        hidden = (x.flatten(0, 1) @ w_xh.mT).addmm_(s.flatten(0, 1), w_sh.mT).unflatten(0, x.shape[:2])
        for row in hidden.unbind():
            row.addmm_(before, transposed)
            before = row.sigmoid_() if sigmoid else row.tanh_()
        ctx.save_for_backward(s, x, h, w_sh, w_xh, w_hh, hidden)
        ctx.sigmoid = sigmoid
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        s, x, h, w_sh, w_xh, w_hh, hidden = ctx.saved_tensors
        # Of sigmoid h (1 - h), of tanh 1 - h^2.
        one = hidden if ctx.sigmoid else hidden.new_ones(())
        slopes = torch.addcmul(one, hidden, hidden, value=-1)
        # The gradient of what stands inside the activation, from the last step to the first.
        inside = gradient.clone(memory_format=torch.contiguous_format)
        after = None
        for row, slope in zip(reversed(inside.unbind()), reversed(slopes.unbind()), strict=True):
            if after is not None:
                row.addmm_(after, w_hh)
            after = row.mul_(slope)
        flat = inside.flatten(0, 1)
        to_hh = (inside[1:].flatten(0, 1).mT @ hidden[:-1].flatten(0, 1)).addmm_(inside[0].mT, h)
        to_sh, to_xh = flat.mT @ s.flatten(0, 1), flat.mT @ x.flatten(0, 1)
        return inside @ w_sh, inside @ w_xh, inside[0] @ w_hh, to_sh, to_xh, to_hh, None


class _Decay(torch.autograd.Function):
    """s_t = driven_t + keep * s_{t-1} for driven (time, batch, units), keep (units,) or (1,), s_0 (batch, units)."""

    @staticmethod
    def forward(ctx: Any, driven: Tensor, keep: Tensor, first: Tensor) -> Tensor:
        s = _decayed(driven, keep, first)
        ctx.save_for_backward(s, keep, first)
        return s

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        s, keep, first = ctx.saved_tensors
        # The same recurrence with time running backwards: d_t = gradient_t + keep * d_{t+1}.
        driven = _decayed(gradient, keep, None)
        to_keep = None
        if ctx.needs_input_grad[1]:
            to_keep = ((driven[1:] * s[:-1]).sum((0, 1)) + (driven[0] * first).sum(0)).sum_to_size(keep.shape)
        return driven, to_keep, driven[0] * keep


def _decayed(terms: Tensor, keep: Tensor, first: Tensor | None) -> Tensor:
    """The running sums of `terms` along time, decayed by `keep` a step, from `first`; without it, backwards from zero.

    Each pass over the segment doubles the span of time that is summed (Hillis and Steele 1986): log2(time) passes.
    """
    sums, spare, span = terms.clone(memory_format=torch.contiguous_format), torch.empty_like(terms), 1
    if first is not None:
        sums[0].addcmul_(first, keep)
    while span < len(terms):
        if first is None:
            torch.addcmul(sums[:-span], sums[span:], keep, out=spare[:-span])
            spare[-span:] = sums[-span:]
        else:
            torch.addcmul(sums[span:], sums[:-span], keep, out=spare[span:])
            spare[:span] = sums[:span]
        sums, spare = spare, sums
        keep, span = keep * keep, 2 * span
    return sums
