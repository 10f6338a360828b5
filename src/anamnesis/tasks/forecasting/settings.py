"""The keys of an experiment with `task: forecasting`."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from anamnesis.schema import Settings
from anamnesis.training.settings import BaseExperiment, Baseline

# Steps of a free-running forecast; more only take time.
FURTHEST = 10_000


class Last(Baseline):
    """A floor: the next value is the last one."""

    window: ClassVar[int] = 1

    architecture: Literal["last"]


class Windowed(Settings):
    """What forecasts the next value from a window of those before it."""

    window: int = Field(ge=1, le=65536, description="values that a forecast is made from")


class Average(Windowed, Baseline):
    """A floor: the mean of the window."""

    architecture: Literal["average"]


class AutoRegression(Windowed, Baseline):
    """A floor: linear regression of the next value on the window, by ordinary least squares (AR)."""

    architecture: Literal["ar"]


class Connected(Windowed):
    """One hidden layer that reads the window at once."""

    architecture: Literal["fc"]
    hidden: int = Field(ge=1, le=65536, description="units of the hidden layer")


class Recurrent(Windowed):
    """A recurrent layer that reads the window value by value; its last state gives the forecast."""

    architecture: Literal["rnn", "gru", "lstm"]
    hidden: int = Field(ge=1, le=65536, description="units of each layer")
    layers: int = Field(1, ge=1, le=16, description="recurrent layers on top of each other")


Network = Connected | Recurrent
Model = Annotated[Last | Average | AutoRegression | Network, Field(discriminator="architecture")]


class Experiment(BaseExperiment):
    """Forecasting the next value of a series."""

    task: Literal["forecasting"]
    model: Model
    batch: int = Field(16, ge=1, description="windows in a batch")
    steps: int = Field(
        50,
        ge=1,
        le=FURTHEST,
        description="steps of a free-running forecast, which reads its own forecasts; experiments rank only against "
        "those with as many",
    )

    @model_validator(mode="after")
    def _keys_of_the_model(self) -> Self:
        return self
