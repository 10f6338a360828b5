"""The keys of an experiment with `task: numbers`: a regression on the numbers of words."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from anamnesis.schema import Settings
from anamnesis.training.settings import Trainer, Training


class Connected(Settings):
    """A fully connected network: one hidden layer of leaky ReLU with slope 0.1, one output."""

    architecture: Literal["fc"]
    window: int = Field(ge=1, le=1024, description="words before the one whose number is regressed")
    hidden: int = Field(ge=1, le=65536, description="units of the hidden layer")


class Mean(Settings):
    """The floor: the mean number of the training split's words, whatever was read."""

    architecture: Literal["mean"]
    window: int = Field(ge=1, le=1024, description="words that are read, for nothing, so that the windows are the same")


Model = Annotated[Connected | Mean, Field(discriminator="architecture")]


class Experiment(Settings):
    """Regression of the next word's number from the numbers of the words before it."""

    task: Literal["numbers"]
    tokens: str = Field(description="an entry of `tokens`, of kind words")
    seed: int = Field(1, ge=0, le=2**32 - 1)
    model: Model
    batch: int = Field(256, ge=1, description="windows in a batch")
    training: Training | None = Field(None, description="needed by a network, refused for the mean")
    trainer: Trainer = Trainer()
    length: int = Field(40, ge=1, description="words to write at the evaluation")

    @model_validator(mode="after")
    def _training_fits_model(self) -> Self:
        if isinstance(self.model, Connected) and self.training is None:
            raise ValueError("a model with architecture fc needs a `training` block")
        if isinstance(self.model, Mean) and self.training is not None:
            raise ValueError("architecture mean is not trained by gradients: remove `training`")
        return self
