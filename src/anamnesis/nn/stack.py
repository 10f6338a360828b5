"""A stack of recurrent layers of one architecture, and its state."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from anamnesis.nn.cells import new_layer
from anamnesis.nn.layer import LayerState
from anamnesis.nn.settings import Layers

State = list[LayerState]
"""For each layer the parts of its state, each (batch, size)."""


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that stores its running mean and variance with the weights.

    They are parameters without gradients, because only parameters are part of a model's weights.
    """

    def __init__(self, features: int) -> None:
        super().__init__(features)
        for name in ("running_mean", "running_var"):
            self.register_parameter(name, nn.Parameter(self._buffers.pop(name), requires_grad=False))  # type: ignore[arg-type]


class RecurrentStack(nn.Module):
    """Recurrent layers on top of each other (Graves 2013, section 2). Each reads the whole segment at once.

    Dropout stands between single layers, because cuDNN's dropout inside a multi-layer kernel differs from call to call
    even when seeded.

    Args:
        architecture: the kind of layer, as in `cells.new_layer`.
        inputs: features of one time step.
        hidden: units of each layer.
        layers: how many layers.
        dropout: probability of zeroing an output between two layers (Zaremba et al. 2014).
        residual: add a layer's inputs to its outputs, where the sizes agree (Wu et al. 2016, section 3.1).
        norm: "layer" (Ba et al. 2016) or "batch" (Ioffe and Szegedy 2015) after each layer, or "none".
        options: further arguments of the layers.
    """

    def __init__(
        self,
        architecture: str,
        inputs: int,
        hidden: int,
        layers: int = 1,
        dropout: float = 0.0,
        residual: bool = False,
        norm: str = "none",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.architecture, self.residual = architecture, residual
        self.layers = nn.ModuleList()
        self.norms = nn.ModuleList()
        for _ in range(layers):
            layer = new_layer(architecture, inputs, hidden, **(options or {}))
            self.layers.append(layer)
            inputs = layer.outputs
            if norm != "none":
                self.norms.append(nn.LayerNorm(inputs) if norm == "layer" else BatchNorm(inputs))
        self.outputs = inputs
        self.dropout = nn.Dropout(dropout)

    def initial_state(self, batch: int) -> State:
        """The zero state for `batch` sequences."""
        return [layer.initial_state(batch) for layer in self.layers]  # type: ignore[operator]

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Run a segment.

        Args:
            inputs: (time, batch, inputs).
            state: as left by the segment before, or `initial_state`.

        Returns:
            The top layer's outputs, (time, batch, outputs), and the state after the last step.
        """
        after: State = []
        for index, layer in enumerate(self.layers):
            if index:
                inputs = self.dropout(inputs)
            outputs, last = layer(inputs, state[index])
            if self.norms:
                norm = self.norms[index]
                # Batch normalisation is over time and batch together: every step is one more example.
                outputs = norm(outputs.flatten(0, 1)).unflatten(0, outputs.shape[:2])
            if self.residual and outputs.shape == inputs.shape:
                outputs = outputs + inputs
            inputs = outputs
            after.append(last)
        return inputs, after

    def unflatten(self, parts: Sequence[Tensor]) -> State:
        """The inverse of `flatten` for a state of this stack."""
        state: State = []
        for layer in self.layers:
            count = len(layer.state_sizes)  # type: ignore[arg-type]
            state.append(tuple(parts[:count]))
            parts = parts[count:]
        return state


def build(settings: Layers, inputs: int) -> RecurrentStack:
    """The stack that settings describe, for `inputs` features a time step."""
    return RecurrentStack(
        settings.architecture,
        inputs,
        settings.hidden,
        settings.layers,
        settings.dropout,
        settings.residual,
        settings.norm,
        settings.layer_options,
    )


def detach(state: State) -> State:
    """The same state, cut from the graph: where truncated BPTT stops (Williams and Peng 1990)."""
    return [tuple(part.detach() for part in layer) for layer in state]


def flatten(state: State) -> list[Tensor]:
    """The state's tensors in a flat list, for a checkpoint."""
    return [part for layer in state for part in layer]
