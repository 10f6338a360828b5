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
            hidden = torch.add(_number(0.5, hidden.dtype, hidden.device), hidden, alpha=0.5)
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

    With the matrix of `_sum_with_decay` by products, which give `keep` no gradient; with None by a loop, for the CPU.
    """

    @staticmethod
    def forward(ctx: Any, driven: Tensor, keep: Tensor, first: Tensor, matrix: Tensor | None) -> Tensor:
        if matrix is None:
            s, before = driven.clone(memory_format=torch.contiguous_format), first
            for row in s.unbind():
                before = row.addcmul_(before, keep)
        else:
            s = _sum_with_decay(matrix, torch.cat([first[None], driven]))[1:]
        ctx.save_for_backward(s, keep, first, matrix)
        return s

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        s, keep, first, matrix = ctx.saved_tensors
        if matrix is not None:
            rows = _sum_backwards(matrix, gradient, len(gradient))
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
    matrix of `_sum_with_decay`; the share of W_xs x_t that enters the context; whether the activation is the sigmoid;
    and whether h_t reads s_t. The results are s_1 .. s_T, [s_t, x_t] or [s_{t-1}, x_t], the kernel's first state, and
    its four weights. These are parts of one buffer in cuDNN's order; PyTorch would copy any others into one at each
    call.
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
        rows, width = x.new_empty(time + 1, batch, units), units + inputs
        rows[0] = s
        rows[1:].view(-1, units).addmm_(x.reshape(-1, inputs), w_xs.mT, beta=0, alpha=share)
        rows = _sum_with_decay(matrix, rows)
        context = rows[1:]
        segment = torch.cat([context if current else rows[:-1], x], -1)
        flat = x.new_empty(hidden * (width + hidden + 2))
        to_x = flat[: hidden * width].view(hidden, width)
        to_h = flat[hidden * width : -2 * hidden].view(hidden, hidden)
        biases = flat[-2 * hidden :].view(2, hidden)
        scale = 0.5 if sigmoid else 1.0
        torch.mul(w_sh, scale, out=to_x[:, :units])
        torch.mul(w_xh, scale, out=to_x[:, units:])
        torch.mul(w_hh, scale * scale, out=to_h)
        if sigmoid:
            first = torch.add(_number(-1.0, h.dtype, h.device), h, alpha=2)
            # Each of the kernel's two biases is half of R 1 / 4.
            biases.addmm_(_ones(hidden, x.dtype, x.device), to_h.mT, beta=0, alpha=0.5)
        else:
            first = h.clone()
            biases.zero_()
        ctx.save_for_backward(x, w_xs, matrix, None if keep is None else rows)
        ctx.share, ctx.scale, ctx.sigmoid, ctx.current = share, scale, sigmoid, current
        # cuDNN refuses a state with gaps, which a part of the last outputs has.
        return context, segment, first.contiguous()[None], to_x, to_h, biases[0], biases[1]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, context: Tensor, segment: Tensor, first: Tensor, to_x: Tensor, to_h: Tensor, bias: Tensor, _: Any
    ) -> tuple[Tensor | None, ...]:
        x, w_xs, matrix, s = ctx.saved_tensors
        inputs, units = x.shape[2], w_xs.shape[0]
        read = segment[..., :units]
        if ctx.current:
            rows = torch.add(context, read)
        else:
            rows = torch.cat([read[:1], context])
            rows[1:-1].add_(read[1:])
        rows = _sum_backwards(matrix, rows, len(x))
        driven = rows[1:].reshape(-1, units)
        from_x = segment.reshape(-1, units + inputs)[:, units:]
        grad_x = torch.addmm(from_x, driven, w_xs, alpha=ctx.share).view_as(x) if ctx.needs_input_grad[0] else None
        grad_h = (2 * first[0] if ctx.sigmoid else first[0]) if ctx.needs_input_grad[1] else None
        grad_keep = None if s is None else (rows[1:] * s[:-1]).sum((0, 1))
        grad_xs = torch.addmm(w_xs, driven.mT, x.reshape(-1, inputs), beta=0, alpha=ctx.share)
        of_s, of_x = to_x[:, :units], to_x[:, units:]
        if ctx.sigmoid:
            of_s, of_x = of_s * 0.5, of_x * 0.5
            # The gradients of both biases are the same.
            to_h = torch.addr(to_h, bias, _ones(len(bias), x.dtype, x.device)[0], beta=0.25, alpha=0.25)
        return grad_x, grad_h, rows[0], grad_keep, grad_xs, of_s, of_x, to_h, None, None, None, None


def _sum_with_decay(matrix: Tensor, rows: Tensor) -> Tensor:
    """s_0 .. s_T of s_0 and s_t = r_t + keep * s_{t-1}.

    Args:
        matrix: keep^(row - column) on and below the diagonal, (steps, steps), or (units, steps, steps) for a keep of
            each unit. More rows than that come in blocks, each of which starts from the last step before.
        rows: s_0, r_1 .. r_T, (time + 1, batch, units); they may be overwritten.
    """
    size, steps = matrix.shape[-1], rows.shape[0]
    if steps <= size:
        return _product(matrix[..., :steps, :steps], rows)
    # The first row of a block is the last one of the block before, which the product leaves as it is.
    for start in range(0, steps - 1, size - 1):
        block = rows[start : start + size]
        block.copy_(_product(matrix[..., : len(block), : len(block)], block))
    return rows


def _sum_backwards(matrix: Tensor, rows: Tensor, time: int) -> Tensor:
    """The gradients of s_0 and r_1 .. r_T in `_sum_with_decay`, (time + 1, batch, units).

    Args:
        matrix: that of `_sum_with_decay`.
        rows: those of s_0 .. s_T, or of s_1 .. s_T where nothing reads s_0, (time + 1 or time, batch, units).
        time: T.
    """
    size, absent = matrix.shape[-1], time + 1 - rows.shape[0]
    if time < size:
        return _product(matrix[..., absent : time + 1, : time + 1].mT, rows)
    rows = torch.cat([torch.zeros_like(rows[:absent]), rows])
    # The first row of a block becomes the whole gradient of the last step of the block before.
    for start in reversed(range(0, time, size - 1)):
        block = rows[start : start + size]
        block.copy_(_product(matrix[..., : len(block), : len(block)].mT, block))
    return rows


def _product(matrix: Tensor, rows: Tensor) -> Tensor:
    """matrix (n, m) or (units, n, m) times rows (m, batch, units): (n, batch, units)."""
    if matrix.dim() == 2:
        return torch.mm(matrix, rows.reshape(rows.shape[0], -1)).view(-1, *rows.shape[1:])
    return torch.bmm(matrix, rows.permute(2, 0, 1)).permute(1, 2, 0)


@lru_cache(maxsize=64)
def _triangle(keep: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The matrix of `_sum_with_decay` for a block; shorter segments use its corner.

    It is made once, on the device: a CUDA graph would make it again at every replay, and cannot copy it there.
    """
    # Not an inference tensor, which a later training could not use.
    with torch.inference_mode(False), torch.no_grad():
        return _triangles(torch.full((1,), keep, dtype=torch.float64, device=device), BLOCK)[0].to(dtype)


@lru_cache(maxsize=64)
def _ones(count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Ones (2, count), made once for the same reason."""
    with torch.inference_mode(False):
        return torch.ones(2, count, dtype=dtype, device=device)


@lru_cache(maxsize=64)
def _number(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A number (), made once for the same reason; on the device, because no tensor of a recorded step is on the CPU."""
    with torch.inference_mode(False):
        return torch.full((), value, dtype=dtype, device=device)


def _triangles(keep: Tensor, steps: int) -> Tensor:
    """The matrices of `_sum_with_decay` for keep (units,), (units, steps, steps); a block's instead of more steps."""
    times = torch.arange(min(steps, BLOCK), device=keep.device)
    exponents = (times[:, None] - times).clamp(min=0)
    return (keep[:, None, None] ** exponents).tril()
