"""Stacks that read a sequence in both directions, for tasks that know its end before they answer."""

from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from anamnesis.errors import AnamnesisError
from anamnesis.nn.layers import open_forget_gate

KINDS: dict[str, Any] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class BidirectionalStack(nn.Module):
    """Bidirectional layers on top of each other (Schuster and Paliwal 1997; Graves et al. 2013, section 3).

    In each layer one network reads forwards and one backwards, from zero states; every layer above reads both. A
    sequence ends where `lengths` says, and what stands behind its end changes nothing: the backward network starts at
    the last real step. There is no state to carry: the backward one would come from the future.

    Args:
        kind: "rnn" (tanh), "gru" or "lstm".
        inputs: features of one time step.
        hidden: units of each direction.
        layers: how many layers.
        dropout: probability of zeroing an output between two layers.

    Raises:
        AnamnesisError: the kind is none of these.
    """

    def __init__(self, kind: str, inputs: int, hidden: int, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        if kind not in KINDS:
            raise AnamnesisError(f"bidirectional: found {kind!r}; allowed: {', '.join(KINDS)}")
        self.kind, self.outputs = kind, 2 * hidden
        sizes = [inputs] + [self.outputs] * (layers - 1)
        self.layers = nn.ModuleList(KINDS[kind](size, hidden, bidirectional=True) for size in sizes)
        if kind == "lstm":
            for layer in self.layers:
                open_forget_gate(layer, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Read whole sequences.

        Args:
            inputs: (time, batch, inputs), padded behind each sequence's end with anything.
            lengths: time steps of each sequence, (batch,), int64 on the CPU, from 1 to time.

        Returns:
            (time, batch, 2 * hidden), the forward network's units first; zero behind each sequence's end.
        """
        packed = pack_padded_sequence(inputs, lengths, enforce_sorted=False)
        for index, layer in enumerate(self.layers):
            if index:
                # Packed data hold the real steps only, so that padding draws no random numbers either.
                packed = PackedSequence(self.dropout(packed.data), *packed[1:])
            packed, _ = layer(packed)
        outputs: Tensor = pad_packed_sequence(packed, total_length=len(inputs))[0]
        return outputs
