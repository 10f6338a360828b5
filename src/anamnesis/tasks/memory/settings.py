"""The keys of an experiment with `task: memory`: the cell, its number of parameters, and how it is probed."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from anamnesis.nn import settings as layers
from anamnesis.schema import Settings
from anamnesis.training.settings import BaseExperiment


class DerivedSizes(layers.Layers):
    """A cell whose sizes follow from the number of parameters."""

    hidden: int = Field(1, exclude=True, description="not allowed: follows from `parameters`")
    dropout: float = Field(0.0, ge=0, le=0, description="not allowed: dropout would make the measurement random")
    # No batch normalisation: it mixes steps and sequences, whose gradients are measured one by one.
    norm: Literal["none", "layer"] = Field("none", description="normalisation after each layer")

    @model_validator(mode="before")
    @classmethod
    def _sizes_are_derived(cls, content: Any) -> Any:
        for size in ("hidden", "context"):
            if isinstance(content, dict) and size in content:
                raise ValueError(f"{size} follows from `parameters`; remove it")
        return content

    def with_hidden(self, hidden: int) -> Self:
        """The same cell with `hidden` units, and other sizes in proportion."""
        return self.model_copy(update={"hidden": hidden})


class ContextCell(DerivedSizes):
    """The RNN with context features (SCRN)."""

    context: int = Field(1, exclude=True, description="not allowed: follows from `parameters` and `share`")
    share: float = Field(0.5, gt=0, le=4, description="context units for each hidden unit")

    def with_hidden(self, hidden: int) -> Self:
        return self.model_copy(update={"hidden": hidden, "context": max(1, round(self.share * hidden))})


# mypy knows the base class only.
if TYPE_CHECKING:
    Cell = DerivedSizes
else:
    Cell = layers.cell_settings(DerivedSizes, {"scrn": ContextCell})
Model = Annotated[Cell, Field(discriminator="architecture")]


class Training(Settings):
    """The training of every network of the experiment: Adam at a constant learning rate, with gradient clipping."""

    epochs: int = Field(1, ge=1, description="passes over the training text; `recall` has its own number of steps")
    batch: int = Field(32, ge=1, description="sequences, or streams of text, in a batch")
    learning_rate: float = Field(0.005, gt=0, description="Adam's step size")
    # About the average norm on the text; Pascanu et al. (2013, section 3.2) advise half to ten times that.
    clip_norm: float = Field(0.25, gt=0, description="largest global norm of the gradient")


class Text(Settings):
    """The language model whose gradients are measured."""

    unroll: int = Field(50, ge=1, description="steps of truncated BPTT in training")
    length: int = Field(100, ge=3, description="steps of a segment, through which the gradient is measured")
    segments: int = Field(32, ge=1, description="number of segments to measure")


class Recall(Settings):
    """The copy task and the adding problem at growing lags."""

    lags: list[int] = Field([5, 10, 20, 40, 80, 160], min_length=1, description="lags in time steps, ascending")
    seeds: int = Field(3, ge=1, description="networks for each probe; their seeds count up from the experiment's")
    steps: int = Field(600, ge=1, description="largest number of optimiser steps at one lag")
    check: int = Field(25, ge=1, description="optimiser steps between two validations")
    sequences: int = Field(500, ge=1, description="validation sequences at each lag, and test sequences")
    symbols: int = Field(2, ge=1, description="symbols to copy")
    alphabet: int = Field(8, ge=2, description="different symbols of the copy task")
    accuracy: float = Field(0.99, gt=0, lt=1, description="smallest accuracy at which the copy task counts as solved")
    error: float = Field(
        0.01,
        gt=0,
        description="largest mean squared error of a solved adding problem; a constant answer has 0.167",
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
    """The memory of one recurrent cell, whose number of parameters is the same as that of the other cells."""

    task: Literal["memory"]
    model: Model
    parameters: int = Field(6000, ge=1000, description="largest number of parameters of the recurrent layers")
    features: int = Field(16, ge=1, le=64, description="size of the vector that encodes each input")
    training: Training = Training()  # type: ignore[assignment]  # each lag has a budget of its own
    text: Text = Text()
    recall: Recall = Recall()

    cpu_only: ClassVar[bool] = True
