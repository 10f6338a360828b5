"""The keys of an experiment with `task: forecasting`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from anamnesis.schema import Settings
from anamnesis.training.settings import BaseExperiment, Baseline

# Steps of a free-running forecast; more only take time.
MAX_STEPS = 10_000


class Last(Baseline):
    """A baseline: the next value is the last one."""

    window: ClassVar[int] = 1

    architecture: Literal["last"]


class Windowed(Settings):
    """A model that forecasts the next value from a window of the values before it."""

    window: int = Field(ge=1, le=65536, description="number of values that the model reads")


class Average(Windowed, Baseline):
    """A baseline: the mean of the window."""

    architecture: Literal["average"]


class Mean(Windowed, Baseline):
    """A baseline: the mean of the training split, whatever the window holds."""

    architecture: Literal["mean"]


class AutoRegression(Windowed, Baseline):
    """A baseline: linear regression of the next value on the window, by ordinary least squares (AR)."""

    architecture: Literal["ar"]


class Connected(Windowed):
    """One hidden layer that reads the window at once."""

    architecture: Literal["fc"]
    hidden: int = Field(ge=1, le=65536, description="units of the hidden layer")
    activation: Literal["tanh", "leaky_relu"] = Field(
        "tanh", description="of the hidden layer; leaky_relu: with slope 0.1 below 0 (Maas et al. 2013)"
    )


class Recurrent(Windowed):
    """A recurrent layer that reads the window value by value; its last state gives the forecast."""

    architecture: Literal["rnn", "gru", "lstm"]
    hidden: int = Field(ge=1, le=65536, description="units of each layer")
    layers: int = Field(1, ge=1, le=16, description="recurrent layers on top of each other")


Network = Connected | Recurrent
Model = Annotated[Last | Average | Mean | AutoRegression | Network, Field(discriminator="architecture")]


class Experiment(BaseExperiment):
    """Forecasting the next value of a series, or the number of the next word."""

    task: Literal["forecasting"]
    series: Literal["values", "words"] = Field(
        "values",
        description="values: the values of a token store of kind series; words: the words of a token store of kind "
        "words, numbered 1, 2, 3, ... in the order in which they first appear",
    )
    model: Model
    batch: int = Field(16, ge=1, description="windows in a batch")
    steps: int = Field(
        50,
        ge=1,
        le=MAX_STEPS,
        description="steps of a free-running forecast, which reads its own forecasts; experiments on values rank only "
        "against those with the same number",
    )

    @property
    def reads(self) -> tuple[str, ...]:
        return ("running text",) if self.series == "words" else ("a series",)

    @property
    def token_kinds(self) -> tuple[str, ...]:
        return ("words",) if self.series == "words" else ()
