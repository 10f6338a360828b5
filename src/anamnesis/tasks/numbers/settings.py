"""The keys of an experiment with `task: numbers`: a regression on the numbers of words."""

from typing import Annotated, Literal

from pydantic import Field

from anamnesis.schema import Settings
from anamnesis.training.settings import BaseExperiment, Baseline


class Connected(Settings):
    """A fully connected network: one hidden layer of leaky ReLU with slope 0.1, one output."""

    architecture: Literal["fc"]
    window: int = Field(ge=1, le=1024, description="words before the one whose number is regressed")
    hidden: int = Field(ge=1, le=65536, description="units of the hidden layer")


class Mean(Baseline):
    """The floor: the mean number of the training split's words, whatever was read."""

    architecture: Literal["mean"]
    window: int = Field(ge=1, le=1024, description="words that are read, for nothing, so that the windows are the same")


Model = Annotated[Connected | Mean, Field(discriminator="architecture")]


class Experiment(BaseExperiment):
    """Regression of the next word's number from the numbers of the words before it."""

    task: Literal["numbers"]
    model: Model
    batch: int = Field(256, ge=1, description="windows in a batch")
    length: int = Field(40, ge=1, description="words to write at the evaluation")
