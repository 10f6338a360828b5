"""The keys that describe recurrent layers and beam search, for every task."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from anamnesis.schema import Settings

CELL = r"^[a-z_][a-z0-9_]*:[A-Za-z_][A-Za-z0-9_]*$"
"""A class of the user's own: a file of the folder cells/ without its ending, and the class."""

WIDEST_BEAM = 100
Beam = Annotated[int, Field(ge=1, le=WIDEST_BEAM, description="hypotheses that the search follows; 1: greedy search")]
LengthPenalty = Annotated[
    float, Field(ge=0, le=5, description="the log-probability of a hypothesis is divided by its length to this power")
]


class Layers(Settings):
    """A stack of recurrent layers."""

    architecture: str
    layers: int = Field(1, ge=1, le=16, description="recurrent layers on top of each other")
    hidden: int = Field(ge=1, le=65536, description="units in each layer's hidden state")
    dropout: float = Field(0.0, ge=0, lt=1, description="between layers, and where the task says")
    residual: bool = Field(False, description="add to a layer's output what it read, where the sizes agree")
    norm: Literal["none", "layer", "batch"] = Field("none", description="normalisation after each layer")

    @property
    def kind(self) -> str:
        """The kind of layer, as `nn.layers.new_layer` knows it."""
        return self.architecture

    @property
    def options_of_layer(self) -> dict[str, Any]:
        """What the layer takes beside its sizes."""
        return {}


class Plain(Layers):
    """Vanilla RNN (tanh, ReLU, or ReLU from the identity on), GRU, LSTM, or the LSTM written from its gates."""

    architecture: Literal["rnn", "rnn-relu", "irnn", "gru", "lstm", "lstm-gates"]


class Context(Layers):
    """The RNN with context features, SCRN (Mikolov et al. 2015): slow linear units beside the hidden ones."""

    architecture: Literal["scrn"]
    context: int = Field(ge=1, le=65536, description="context units")
    alpha: float = Field(0.95, ge=0, lt=1, description="share of the context that is kept at each step")
    learned_alpha: bool = Field(False, description="learn one alpha for each unit, from `alpha` on")
    activation: Literal["sigmoid", "tanh"] = Field("sigmoid", description="of the hidden units; the paper has sigmoid")
    feed: Literal["current", "previous"] = Field(
        "current", description="the context that the hidden units read: of this step (the paper) or the one before"
    )

    @property
    def options_of_layer(self) -> dict[str, Any]:
        names = ("context", "alpha", "learned_alpha", "activation", "feed")
        return {name: getattr(self, name) for name in names}


class OwnCell(Layers):
    """A recurrent layer of the user's own: a class in a file of the folder cells/."""

    architecture: Literal["cell"]
    cell: str = Field(pattern=CELL, description="file and class: `mgu:MGU`")
    options: dict[str, bool | int | float | str] = Field({}, description="what the class takes beside its sizes")

    @model_validator(mode="after")
    def _options_are_the_cells(self) -> Self:
        taken = sorted({"cell", "inputs", "hidden", "kind"} & self.options.keys())
        if taken:
            raise ValueError(f"options may not be named {', '.join(taken)}")
        return self

    @property
    def options_of_layer(self) -> dict[str, Any]:
        return {"cell": self.cell, **self.options}
