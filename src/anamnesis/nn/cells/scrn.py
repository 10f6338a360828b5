"""The recurrent layer with context features (Mikolov et al. 2015), which computes a whole segment at once.

The context is linear: all its time steps are the product of a triangular matrix of powers of alpha with the inputs. On
a GPU, that product replaces a loop, and PyTorch's fused kernel computes the hidden units. On a CPU, a loop that works
in place is faster for both, after everything that does not depend on the previous step has been computed for the whole
segment; only the context of few sequences takes the product there, too.
"""

import math
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from anamnesis.errors import AnamnesisError
from anamnesis.nn.layer import Array, ArrayState, Layer, LayerState, SingleStep
from anamnesis.nn.numpy_weights import weights_of

# Rows and columns of the triangular matrix; one row is the step before, so that a product computes one step less.
BLOCK = 128
# Numbers of a step's context up to which that product is faster on a CPU than a loop, whose steps cost too much then.
SMALL = 512
HALF = torch.tensor(0.5)


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
        outputs = self._on_gpu(inputs, h, s) if inputs.is_cuda else self._on_cpu(inputs, h, s)
        last = outputs[-1]
        return outputs, (last[:, : self.state_sizes[0]], last[:, self.state_sizes[0] :])

    def _on_cpu(self, inputs: Tensor, h: Tensor, s: Tensor) -> Tensor:
        """The outputs of `forward`, by loops."""
        keep = inputs.new_full((1,), self.alpha) if self.alpha_logit is None else self.alpha_logit.sigmoid()
        # 1 - alpha scales the matrix instead of the longer product.
        driven = nn.functional.linear(inputs, (1 - keep)[:, None] * self.weight_xs)
        small = self.alpha_logit is None and s.numel() <= SMALL
        matrix = _triangle(self.alpha, inputs.dtype, inputs.device) if small else None
        context: Tensor = _Decay.apply(driven, keep, s, matrix)
        read = context if self.feed == "current" else torch.cat([s[None], context[:-1]])
        weights = (self.weight_sh, self.weight_xh, self.weight_hh)
        return torch.cat([_Hidden.apply(read, inputs, h, *weights, self.activation == "sigmoid"), context], -1)

    def _on_gpu(self, inputs: Tensor, h: Tensor, s: Tensor) -> Tensor:
        """The outputs of `forward`, by few kernels, each of which costs the processor more time than the GPU."""
        sigmoid, current = self.activation == "sigmoid", self.feed == "current"
        w_xs: Tensor = self.weight_xs
        if self.alpha_logit is None:
            matrix = _triangle(self.alpha, inputs.dtype, inputs.device)
            keep, share = None, 1 - self.alpha
        else:
            keep, share = self.alpha_logit.sigmoid(), 1.0
            matrix = _triangles(keep.detach(), len(inputs) + 1)
            w_xs = (1 - keep)[:, None] * w_xs
        weights = (w_xs, self.weight_sh, self.weight_xh, self.weight_hh)
        context, segment, first, *flat = _Kernel.apply(inputs, h, s, keep, *weights, matrix, share, sigmoid, current)
        # cuDNN has gradients only in training mode.
        hidden = torch.rnn_tanh(segment, first, flat, True, 1, 0.0, torch.is_grad_enabled(), False, False)[0]
        if sigmoid:
            hidden = torch.add(HALF, hidden, alpha=0.5)
        return torch.cat([hidden, context], -1)

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
    """s_t = driven_t + keep * s_{t-1} for driven (time, batch, units), keep (units,) or (1,), s_0 (batch, units).

    With the matrix of `_decayed` by products, which give `keep` no gradient; with None by a loop, for the CPU.
    """

    @staticmethod
    def forward(ctx: Any, driven: Tensor, keep: Tensor, first: Tensor, matrix: Tensor | None) -> Tensor:
        if matrix is None:
            s, before = driven.clone(memory_format=torch.contiguous_format), first
            for row in s.unbind():
                before = row.addcmul_(before, keep)
        else:
            s = _decayed(matrix, torch.cat([first[None], driven]), False)[1:]
        ctx.save_for_backward(s, keep, first, matrix)
        return s

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        s, keep, first, matrix = ctx.saved_tensors
        if matrix is not None:
            rows = _decayed(matrix, torch.cat([torch.zeros_like(first)[None], gradient]), True)
            return rows[1:], None, rows[0], None
        # The same recurrence with time running backwards: d_t = gradient_t + keep * d_{t+1}.
        driven = gradient.clone(memory_format=torch.contiguous_format)
        after = None
        for row in reversed(driven.unbind()):
            after = row if after is None else row.addcmul_(after, keep)
        to_keep = None
        if ctx.needs_input_grad[1]:
            to_keep = ((driven[1:] * s[:-1]).sum((0, 1)) + (driven[0] * first).sum(0)).sum_to_size(keep.shape)
        return driven, to_keep, driven[0] * keep, None


class _Kernel(torch.autograd.Function):
    """The context, and what PyTorch's fused kernel of tanh reads to compute the hidden units, for the GPU.

    sigmoid(a) = (1 + tanh(a / 2)) / 2, so g = 2 h - 1 is a recurrence of that kernel:
    g_t = tanh((P s_t + A x_t) / 2 + R g_{t-1} / 4 + R 1 / 4).

    The arguments are x (time, batch, inputs), h and s of the step before; keep (units,), or None; W_xs, P, A, R; the
    matrix of `_decayed`; the share of W_xs x_t that enters the context; and whether the activation is the sigmoid, and
    whether h_t reads s_t. The results are s_1 .. s_T, [s_t, x_t] or [s_{t-1}, x_t], the kernel's first state, and its
    four weights. These are parts of one buffer in the order that cuDNN wants: it copies any others, step by step.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h: Tensor,
        s: Tensor,
        keep: Tensor | None,
        w_xs: Tensor,
        w_sh: Tensor,
        w_xh: Tensor,
        w_hh: Tensor,
        matrix: Tensor,
        share: float,
        sigmoid: bool,
        current: bool,
    ) -> tuple[Tensor, ...]:
        (time, batch, inputs), (hidden, units) = x.shape, w_sh.shape
        flat_x, width = x.reshape(-1, inputs), inputs + units
        rows = x.new_empty(time + 1, batch, units)
        rows[0] = s
        driven = rows[1:].view(-1, units)
        driven.addmm_(flat_x, w_xs.mT, beta=0, alpha=share)
        rows = _decayed(matrix, rows, False)
        context = rows[1:]
        segment = torch.cat([context if current else rows[:-1], x], -1)
        flat = x.new_zeros(hidden * (width + hidden + 2))
        to_x, to_h, bias, zero = flat.split([hidden * width, hidden * hidden, hidden, hidden])
        to_x, to_h = to_x.view(hidden, width), to_h.view(hidden, hidden)
        scale = 0.5 if sigmoid else 1.0
        torch.mul(w_sh, scale, out=to_x[:, :units])
        torch.mul(w_xh, scale, out=to_x[:, units:])
        torch.mul(w_hh, scale * scale, out=to_h)
        # cuDNN refuses a state with gaps, which a part of the last outputs has.
        first = h.new_empty(1, batch, hidden)
        first[0] = h
        if sigmoid:
            torch.sum(to_h, 1, out=bias)
            first.mul_(2).sub_(1)
        ctx.save_for_backward(x, w_xs, matrix, None if keep is None else rows)
        ctx.mark_non_differentiable(zero)
        ctx.share, ctx.scale, ctx.sigmoid, ctx.current = share, scale, sigmoid, current
        return context, segment, first, to_x, to_h, bias, zero

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, context: Tensor, segment: Tensor, first: Tensor, to_x: Tensor, to_h: Tensor, bias: Tensor, _: Any
    ) -> tuple[Tensor | None, ...]:
        x, w_xs, matrix, s = ctx.saved_tensors
        (time, batch, inputs), units = x.shape, len(w_xs)
        rows = x.new_zeros(time + 1, batch, units)
        rows[1:] = context
        (rows[1:] if ctx.current else rows[:-1]).add_(segment[..., :units])
        rows = _decayed(matrix, rows, True)
        driven = rows[1:].reshape(-1, units)
        from_x = segment.reshape(-1, units + inputs)[:, units:]
        grad_x = torch.addmm(from_x, driven, w_xs, alpha=ctx.share).view_as(x) if ctx.needs_input_grad[0] else None
        grad_h = first[0] * (2 if ctx.sigmoid else 1) if ctx.needs_input_grad[1] else None
        grad_keep = None if s is None else (rows[1:] * s[:-1]).sum((0, 1))
        grad_xs = torch.mm(driven.mT, x.reshape(-1, inputs))
        if ctx.share != 1:
            grad_xs.mul_(ctx.share)
        if ctx.sigmoid:
            to_x, to_h = to_x * ctx.scale, (to_h + bias[:, None]).mul_(ctx.scale * ctx.scale)
        grads = grad_xs, to_x[:, :units], to_x[:, units:], to_h
        return grad_x, grad_h, rows[0], grad_keep, *grads, None, None, None, None


def _decayed(matrix: Tensor, rows: Tensor, backwards: bool) -> Tensor:
    """s_0 .. s_T of s_0 and s_t = r_t + keep * s_{t-1}; or `backwards` the transpose of this map, for gradients.

    Args:
        matrix: keep^(row - column) on and below the diagonal, (steps, steps), or (units, steps, steps) for a keep of
            each unit. Fewer steps than `rows` has take blocks of it, each of which starts from the last step before.
        rows: s_0, r_1 .. r_T, (time + 1, batch, units); they may be overwritten.
    """
    size, steps = matrix.shape[-1], rows.shape[0]
    if backwards:
        matrix = matrix.mT
    if steps <= size:
        return _product(matrix, rows)
    # The first row of a block is the last one of the block before, in both directions: its row and its column of the
    # matrix make it the state that comes in, or add up the gradient that goes out.
    starts = range(0, steps - 1, size - 1)
    for start in reversed(starts) if backwards else starts:
        block = rows[start : start + size]
        block.copy_(_product(matrix, block))
    return rows


def _product(matrix: Tensor, rows: Tensor) -> Tensor:
    """matrix (steps, steps) or (units, steps, steps) times rows (fewer steps, batch, units)."""
    steps = rows.shape[0]
    part = matrix[..., :steps, :steps]
    if part.dim() == 2:
        return torch.mm(part, rows.view(steps, -1)).view_as(rows)
    return torch.bmm(part, rows.permute(2, 0, 1)).permute(1, 2, 0)


@lru_cache(maxsize=64)
def _triangle(keep: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The matrix of `_decayed` for a block; shorter segments use its corner.

    It is made once, because a graph of CUDA kernels can neither copy it to the device nor make it in a replay.
    """
    # Not an inference tensor, which a later training could not use.
    with torch.inference_mode(False), torch.no_grad():
        matrix = _triangles(torch.full((1,), keep, dtype=torch.float64), BLOCK)[0]
        return matrix.to(device, dtype)


def _triangles(keep: Tensor, steps: int) -> Tensor:
    """The matrices of `_decayed` for keep (units,), (units, steps, steps), or a block's instead of more steps."""
    times = torch.arange(min(steps, BLOCK), device=keep.device)
    exponents = (times[:, None] - times).clamp(min=0)
    return (keep[:, None, None] ** exponents).tril()
