"""The keys that describe recurrent layers and beam search, for every task."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, Union

from pydantic import Field, create_model, model_validator

from anamnesis.nn import CELL, cells
from anamnesis.schema import Settings

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
    dropout: float = Field(0.0, ge=0, lt=1, description="between layers, and in places that depend on the task")
    residual: bool = Field(False, description="add a layer's inputs to its outputs, where the sizes agree")
    norm: Literal["none", "layer", "batch"] = Field("none", description="normalisation after each layer")

    @property
    def layer_options(self) -> dict[str, Any]:
        """The options of each layer's constructor."""
        return {name: getattr(self, name) for name in cells.options_of(self.architecture)}


class OwnCell(Layers):
    """A recurrent layer of your own: a class in a file of the folder cells/."""

    architecture: Literal["cell"]
    cell: str = Field(pattern=CELL, description="file and class: `mgu:MGU`")
    options: dict[str, bool | int | float | str] = Field({}, description="further arguments of the class")

    @model_validator(mode="after")
    def _options_are_free(self) -> Self:
        taken = sorted({"cell", "inputs", "hidden", "architecture"} & self.options.keys())
        if taken:
            raise ValueError(f"options may not be named {', '.join(taken)}")
        return self

    @property
    def layer_options(self) -> dict[str, Any]:
        return {"cell": self.cell, **self.options}


def cell_settings(base: type[Layers], special: Mapping[str, type[Layers]] | None = None) -> Any:
    """The union of settings classes for all cells and for own cells, each derived from `base`.

    Cells without options share one class.

    Args:
        base: the task's keys of a stack of recurrent layers.
        special: a class, derived from `base`, for cells that the task treats in another way, by architecture.
    """
    special = special or {}
    plain = tuple(name for name in cells.names() if not cells.options_of(name) and name not in special)
    models: list[Any] = [_settings(base, plain)]
    for name in cells.names():
        if name not in plain:
            models.append(_settings(special.get(name, base), (name,), cells.options_of(name)))
    # Of a field that both bases have, Pydantic takes that of the first one.
    fields: dict[str, Any] = {
        name: (field.annotation, field) for name, field in base.model_fields.items() if name != "architecture"
    }
    own = create_model(
        f"{base.__name__}OwnCell",
        __base__=(OwnCell, base),
        __doc__=OwnCell.__doc__,
        __module__=base.__module__,
        **fields,
    )
    return Union[(*models, own)]


def _settings(base: type[Layers], names: tuple[str, ...], options: Mapping[str, tuple[Any, Any]] | None = None) -> Any:
    fields: dict[str, Any] = {"architecture": (Literal[names], ...)}
    fields |= {name: field for name, field in (options or {}).items() if name not in base.model_fields}
    title = cells.title_of(names[0]) if len(names) == 1 else "A stack of recurrent layers of one of these kinds."
    suffix = "".join(word.title() for word in names[0].split("-")) if options else "Plain"
    return create_model(f"{base.__name__}{suffix}", __base__=base, __doc__=title, __module__=base.__module__, **fields)
