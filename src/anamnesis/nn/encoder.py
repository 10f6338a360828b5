"""Stacks that read whole sequences, in one direction or in both."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from anamnesis.errors import AnamnesisError
from anamnesis.nn.cells.lstm import open_forget_gate
from anamnesis.nn.stack import State

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

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
        """Read whole sequences.

        Args:
            inputs: (time, batch, inputs), with any padding behind the end of each sequence.
            lengths: time steps of each sequence, (batch,), int64 on the CPU, from 1 to time.

        Returns:
            The top layer's outputs, (time, batch, outputs), zero behind the end of each sequence; and for each layer
            the parts of its last state, each (batch, outputs): that of the forward network after the last step, and
            that of the backward network after the first step.
        """
        # Sorted on the CPU, because packing would wait for the order from a GPU.
        sizes, order = lengths.sort(descending=True)
        back = order.argsort().to(inputs.device, non_blocking=True)
        packed = pack_padded_sequence(inputs.index_select(1, order.to(inputs.device, non_blocking=True)), sizes)
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
