"""The recurrent layers by name: those that are PyTorch's fused kernels, and where the others are."""

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from anamnesis.nn.layer import Layer, LayerState


class RNN(nn.RNN, Layer):
    """h_t = tanh(W_xh x_t + W_hh h_{t-1} + b) (Elman 1990), or with ReLU for tanh."""

    def __init__(self, inputs: int, hidden: int, activation: str = "tanh") -> None:
        super().__init__(inputs, hidden, nonlinearity=activation)
        self.outputs, self.state_sizes = hidden, (hidden,)

    def forward(self, inputs: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:  # type: ignore[override]
        outputs, last = super().forward(inputs, state[0][None])
        return outputs, (last[0],)


class IRNN(RNN):
    """The ReLU network that starts by copying its state (Le, Jaitly and Hinton 2015, section 4): W_hh is the identity,
    the biases are 0, the input's weights are drawn from N(0, 0.001)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden, "relu")
        with torch.no_grad():
            nn.init.eye_(self.get_parameter("weight_hh_l0"))
            nn.init.normal_(self.get_parameter("weight_ih_l0"), std=0.001)
            nn.init.zeros_(self.get_parameter("bias_ih_l0"))
            nn.init.zeros_(self.get_parameter("bias_hh_l0"))


class GRU(nn.GRU, Layer):
    """The gated recurrent unit (Cho et al. 2014), with PyTorch's equations: the reset gate after the product."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        self.outputs, self.state_sizes = hidden, (hidden,)

    def forward(self, inputs: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:  # type: ignore[override]
        outputs, last = super().forward(inputs, state[0][None])
        return outputs, (last[0],)


class LSTM(nn.LSTM, Layer):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; Gers et al. 2000), its state (h, c).

    The forget gate's bias starts at 1 (Jozefowicz et al. 2015, section 3.1); the rest as PyTorch has it, uniform in
    +-1/sqrt(hidden).
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        self.outputs, self.state_sizes = hidden, (hidden, hidden)
        open_forget_gate(self, hidden)

    def forward(self, inputs: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:  # type: ignore[override]
        outputs, (h, c) = super().forward(inputs, (state[0][None], state[1][None]))
        return outputs, (h[0], c[0])


def open_forget_gate(layer: nn.Module, hidden: int) -> None:
    """Set the forget gate's bias of an LSTM with PyTorch's parameters to 1, in every direction it reads."""
    for name, bias in layer.named_parameters():
        # PyTorch adds two bias vectors; the gates stand in the order input, forget, candidate, output.
        if name.startswith(("bias_ih", "bias_hh")):
            nn.init.constant_(bias.data[hidden : 2 * hidden], float(name.startswith("bias_ih")))


# Kind -> module of this package, class, and the options the kind fixes.
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "rnn": ("layers", "RNN", {}),
    "rnn-relu": ("layers", "RNN", {"activation": "relu"}),
    "irnn": ("layers", "IRNN", {}),
    "gru": ("layers", "GRU", {}),
    "lstm": ("layers", "LSTM", {}),
    "lstm-gates": ("gates", "GatesLSTM", {}),
    "scrn": ("scrn", "SCRN", {}),
}


def new_layer(kind: str, inputs: int, hidden: int, **options: Any) -> Any:
    """A new recurrent layer, an `nn.Module` that is a `Layer`.

    Args:
        kind: one of `KINDS`, or "cell" for a class of the user's, which the option `cell` names.
        inputs: features of one time step.
        hidden: units of the hidden state.
        options: what the kind takes beside these.

    Raises:
        AnamnesisError: an option is not allowed, or the user's class is not what it should be.
    """
    if kind == "cell":
        from anamnesis.nn.own import new_cell

        return new_cell(options.pop("cell"), inputs, hidden, **options)
    module, name, fixed = KINDS[kind]
    return getattr(import_module(f"anamnesis.nn.{module}"), name)(inputs, hidden, **fixed, **options)
