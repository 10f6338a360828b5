"""The keys of an experiment with `task: memory`: the cell, its number of parameters, and how it is probed."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from anamnesis.nn import settings as layers
from anamnesis.schema import Settings
from anamnesis.training.settings import BaseExperiment


class Derived(layers.Layers):
    """What a probed cell has in place of sizes: they follow from the number of parameters."""

    hidden: int = Field(1, exclude=True, description="not to be given: follows from `parameters`")
    dropout: float = Field(0.0, ge=0, le=0, description="none: a probe leaves nothing to chance")
    # Batch normalisation mixes steps and sequences, whose gradients a probe tells apart.
    norm: Literal["none", "layer"] = Field("none", description="normalisation after each layer")

    @model_validator(mode="before")
    @classmethod
    def _sizes_are_derived(cls, content: Any) -> Any:
        for size in ("hidden", "context"):
            if isinstance(content, dict) and size in content:
                raise ValueError(f"{size} follows from `parameters`; remove it")
        return content

    def sized(self, hidden: int) -> Self:
        """The same cell with `hidden` units, all other sizes in proportion."""
        return self.model_copy(update={"hidden": hidden})


class ContextCell(Derived):
    """The RNN with context features (SCRN)."""

    context: int = Field(1, exclude=True, description="not to be given: follows from `parameters` and `share`")
    share: float = Field(0.5, gt=0, le=4, description="context units for each hidden unit")

    def sized(self, hidden: int) -> Self:
        return self.model_copy(update={"hidden": hidden, "context": max(1, round(self.share * hidden))})


# mypy knows the base class only.
if TYPE_CHECKING:
    Cell = Derived
else:
    Cell = layers.cell_settings(Derived, {"scrn": ContextCell})
Model = Annotated[Cell, Field(discriminator="architecture")]


class Training(Settings):
    """How every network of the experiment is trained: Adam at one learning rate, with a clipped gradient."""

    epochs: int = Field(1, ge=1, description="passes over the training text; recall has its own budget")
    batch: int = Field(32, ge=1, description="sequences or streams of text that are read side by side")
    learning_rate: float = Field(0.005, gt=0, description="Adam's step size")
    # About the average norm on the text: Pascanu et al. (2013, section 3.2) take half to ten times that.
    clip_norm: float = Field(0.25, gt=0, description="largest global norm of the gradient")


class Text(Settings):
    """The next-character model whose gradients are measured."""

    unroll: int = Field(50, ge=1, description="steps of truncated BPTT in training")
    length: int = Field(100, ge=3, description="steps of a segment whose last loss is followed back")
    segments: int = Field(32, ge=1, description="segments that are measured")


class Recall(Settings):
    """The copy task and the adding problem at growing lags."""

    lags: list[int] = Field([5, 10, 20, 40, 80, 160], min_length=1, description="steps, from the shortest on")
    seeds: int = Field(3, ge=1, description="networks for each task, from the experiment's seed on")
    steps: int = Field(600, ge=1, description="optimiser steps at one lag, at most")
    check: int = Field(25, ge=1, description="optimiser steps between two looks at the validation sequences")
    sequences: int = Field(500, ge=1, description="validation sequences at each lag; as many again for the test")
    symbols: int = Field(2, ge=1, description="of the copy task: symbols to remember")
    alphabet: int = Field(8, ge=2, description="of the copy task: different symbols")
    accuracy: float = Field(0.99, gt=0, lt=1, description="share of right symbols from which the copy task is solved")
    error: float = Field(
        0.01, gt=0, description="mean squared error up to which adding is solved; a constant has 0.167"
    )

    @model_validator(mode="after")
    def _lags_grow(self) -> Self:
        if self.lags[0] < 2:
            raise ValueError(f"lags: found {self.lags[0]}; allowed: at least 2 steps")
        for before, after in zip(self.lags, self.lags[1:], strict=False):
            if after <= before:
                raise ValueError(f"lags: found {after} after {before}; allowed: each longer than the one before")
        return self


class Experiment(BaseExperiment):
    """How long one recurrent cell remembers, at a number of parameters that it shares with the others."""

    task: Literal["memory"]
    model: Model
    parameters: int = Field(6000, ge=1000, description="numbers that the recurrent layers may have, at most")
    features: int = Field(16, ge=1, le=64, description="of a time step: an encoder makes so many of each input")
    training: Training = Training()  # type: ignore[assignment]  # each lag has a budget of its own
    text: Text = Text()
    recall: Recall = Recall()
