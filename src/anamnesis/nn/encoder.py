"""Stacks that read whole sequences, in one direction or in both."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from anamnesis.errors import AnamnesisError
from anamnesis.nn.cells.lstm import open_forget_gate
from anamnesis.nn.stack import State
from anamnesis.nn.transfer import to_device

KINDS: dict[str, Any] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class EncoderStack(nn.Module):
    """Layers on top of each other that read a sequence forwards, or in both directions (Schuster and Paliwal 1997;
    Graves et al. 2013, section 3).

    Each layer starts from a zero state. With two directions, each layer has a forward and a backward network, and the
    next layer reads the outputs of both. Padding behind the end of a sequence changes nothing: the backward network
    starts at the last real step.

    Args:
        kind: "rnn" (tanh), "gru" or "lstm".
        inputs: features of one time step.
        hidden: units of each direction.
        layers: how many layers.
        dropout: probability of zeroing an output between two layers.
        bidirectional: whether to read in both directions.

    Raises:
        AnamnesisError: the kind is none of these.
    """

    def __init__(
        self, kind: str, inputs: int, hidden: int, layers: int = 1, dropout: float = 0.0, bidirectional: bool = False
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise AnamnesisError(f"encoder: found {kind!r}; allowed: {', '.join(KINDS)}")
        self.kind, self.outputs = kind, (1 + bidirectional) * hidden
        sizes = [inputs] + [self.outputs] * (layers - 1)
        self.layers = nn.ModuleList(KINDS[kind](size, hidden, bidirectional=bidirectional) for size in sizes)
        if kind == "lstm":
            for layer in self.layers:
                open_forget_gate(layer, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor, lengths: Tensor, packed: bool = True) -> tuple[Tensor, State]:
        """Read whole sequences.

        Args:
            inputs: (time, batch, inputs), with any padding behind the end of each sequence.
            lengths: time steps of each sequence, (batch,), int64, from 1 to time; on the CPU if the batch is packed, on
                the device of `inputs` if it is not.
            packed: skip the padding, which depends on the values of `lengths`. A CUDA graph has fixed shapes, so it
                reads the padding too, with the same results.

        Returns:
            The top layer's outputs, (time, batch, outputs), zero behind the end of each sequence; and for each layer
            the parts of its last state, each (batch, outputs): that of the forward network after the last step, and
            that of the backward network after the first step.
        """
        return self._read_packed(inputs, lengths) if packed else self._read_padded(inputs, lengths)

    def _read_packed(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
        # Sorted on the CPU, because packing would wait for the order from a GPU.
        sizes, order = lengths.sort(descending=True)
        back = to_device(order.argsort(), inputs.device)
        packed = pack_padded_sequence(inputs.index_select(1, to_device(order, inputs.device)), sizes)
        last: State = []
        for index, layer in enumerate(self.layers):
            if index:
                # Packed data hold the real steps only, so that padding draws no random numbers.
                packed = PackedSequence(self.dropout(packed.data), *packed[1:])
            packed, state = layer(packed)
            parts = state if isinstance(state, tuple) else (state,)
            last.append(tuple(torch.cat(list(part), dim=-1).index_select(0, back) for part in parts))
        outputs: Tensor = pad_packed_sequence(packed, total_length=len(inputs))[0]
        return outputs.index_select(1, back), last

    def _read_padded(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
        steps, batch = inputs.shape[:2]
        times, columns = torch.arange(steps, device=inputs.device)[:, None], torch.arange(batch, device=inputs.device)
        padding = (times >= lengths)[..., None]
        # Padding stays behind the reversed sequences.
        reversed_times = torch.where(times < lengths, lengths - 1 - times, times)
        order = (reversed_times * batch + columns).flatten()
        last: State = []
        for index, layer in enumerate(self.layers):
            if index:
                inputs = self.dropout(inputs)
            ways, states = [], []
            for suffix in ("", "_reverse") if layer.bidirectional else ("",):
                read = _Reversed.apply(inputs, order) if suffix else inputs
                outputs, parts = _read_one_way(layer, suffix, read, padding)
                states.append((outputs[lengths - 1, columns], *parts))
                ways.append(_Reversed.apply(outputs, order) if suffix else outputs)
            inputs = torch.cat(ways, dim=-1)
            last.append(tuple(torch.cat(parts, dim=-1) for parts in zip(*states, strict=True)))
        return inputs.masked_fill(padding, 0.0), last


class _Reversed(torch.autograd.Function):
    """The steps (time, batch, features) in another order, which undoes itself: so does the gradient's.

    PyTorch's own gradient of an index adds up, in an order that changes from call to call or after sorting.
    """

    @staticmethod
    def forward(ctx: Any, steps: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return steps.flatten(0, 1).index_select(0, order).view_as(steps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (order,) = ctx.saved_tensors
        return gradient.flatten(0, 1).index_select(0, order).view_as(gradient), None


# A gate with this bias is exactly 0 or 1 in every precision, also in 16 bits.
_SHUT = 1e4


def _read_one_way(layer: nn.Module, suffix: str, inputs: Tensor, padding: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run one direction of a layer over padded sequences, forwards.

    Args:
        layer: an `nn.RNN`, `nn.GRU` or `nn.LSTM` with one layer.
        suffix: of its parameters' names, "" or "_reverse".
        inputs: (time, batch, inputs).
        padding: whether a step is padding, (time, batch, 1), bool.

    Returns:
        The outputs, (time, batch, hidden), anything at padding; and of an LSTM the cell after the last step of each
        sequence, (batch, hidden).
    """
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    w_ih, *others = (getattr(layer, name + suffix) for name in names)
    hidden = w_ih.new_zeros(1, inputs.shape[1], others[0].shape[1])
    options = (True, 1, 0.0, torch.is_grad_enabled(), False, False)
    if isinstance(layer, nn.GRU):
        return torch.gru(inputs, hidden, [w_ih, *others], *options)[0], ()
    if isinstance(layer, nn.RNN):
        return torch.rnn_tanh(inputs, hidden, [w_ih, *others], *options)[0], ()
    # cuDNN returns the cell after the last step only. A further input, 1 at padding, shuts the input gate and opens the
    # forget gate there, so that the cell stays as it was. Eight inputs, because matrix units read them in eights.
    marks = nn.functional.pad(padding.to(inputs.dtype), (0, 7))
    size = others[0].shape[1]
    shut = w_ih.new_zeros(4 * size, 8)
    # Not by assignment, which makes a tensor on the CPU of the number.
    shut[:size, 0].fill_(-_SHUT)
    shut[size : 2 * size, 0].fill_(_SHUT)
    outputs, _, cell = torch.lstm(
        torch.cat([inputs, marks], dim=-1), (hidden, hidden), [torch.cat([w_ih, shut], dim=1), *others], *options
    )
    return outputs, (cell[0],)
