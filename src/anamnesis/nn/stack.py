"""A stack of recurrent layers of one kind, with dropout between them and a state the caller carries."""

from collections.abc import Sequence

from torch import Tensor, nn

LAYERS: dict[str, type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}

State = list[tuple[Tensor, ...]]
"""For each layer its tensors of shape (1, batch, hidden): the hidden state, and for an LSTM the cell state."""


class RecurrentStack(nn.Module):
    """Recurrent layers on top of each other (Graves 2013, section 2), each a fused kernel over the whole segment.

    The layers are single ones, and the dropout between them is our own, because cuDNN's dropout inside a
    multi-layer kernel differs from call to call even when seeded. The forget gate's bias of an LSTM starts at 1
    (Jozefowicz et al. 2015, section 3.1); everything else starts as PyTorch has it, uniform in +-1/sqrt(hidden).

    Args:
        kind: "rnn" (Elman 1990, tanh), "gru" (Cho et al. 2014) or "lstm" (Hochreiter and Schmidhuber 1997).
        inputs: features of one time step.
        hidden: units of each layer.
        layers: how many layers.
        dropout: probability of zeroing an output between two layers (Zaremba et al. 2014).
    """

    def __init__(self, kind: str, inputs: int, hidden: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.kind, self.hidden = kind, hidden
        self.layers = nn.ModuleList(LAYERS[kind](inputs if i == 0 else hidden, hidden) for i in range(layers))
        self.dropout = nn.Dropout(dropout)
        if kind == "lstm":
            # PyTorch adds two bias vectors; the gates stand in the order input, forget, candidate, output.
            for layer in self.layers:
                nn.init.ones_(layer.get_parameter("bias_ih_l0").data[hidden : 2 * hidden])
                nn.init.zeros_(layer.get_parameter("bias_hh_l0").data[hidden : 2 * hidden])

    def initial_state(self, batch: int) -> State:
        """The zero state for `batch` sequences."""
        like = next(self.parameters())
        parts = 2 if self.kind == "lstm" else 1
        return [tuple(like.new_zeros(1, batch, self.hidden) for _ in range(parts)) for _ in self.layers]

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Run a segment.

        Args:
            inputs: (time, batch, inputs).
            state: as left by the segment before, or `initial_state`.

        Returns:
            The top layer's hidden states, (time, batch, hidden), and the state after the last step.
        """
        after: State = []
        for index, layer in enumerate(self.layers):
            if index:
                inputs = self.dropout(inputs)
            before = state[index]
            inputs, last = layer(inputs, before if self.kind == "lstm" else before[0])
            after.append(last if self.kind == "lstm" else (last,))
        return inputs, after


def detach(state: State) -> State:
    """The same state, cut from the graph: where truncated BPTT stops (Williams and Peng 1990)."""
    return [tuple(part.detach() for part in layer) for layer in state]


def flatten(state: State) -> list[Tensor]:
    """The state's tensors in a flat list, for a checkpoint."""
    return [part for layer in state for part in layer]


def unflatten(parts: Sequence[Tensor], kind: str) -> State:
    """The inverse of `flatten`."""
    per_layer = 2 if kind == "lstm" else 1
    return [tuple(parts[i : i + per_layer]) for i in range(0, len(parts), per_layer)]
