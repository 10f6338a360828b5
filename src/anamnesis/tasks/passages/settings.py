"""The keys of an experiment with `task: passages`: what a passage becomes, and the network that tells its label."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from anamnesis.schema import Settings
from anamnesis.training.settings import BaseExperiment


class Histogram(Settings):
    """Multinomial logistic regression on how often each token occurs in a passage: a floor that knows no order."""

    architecture: Literal["histogram"]


class States(Settings):
    """One hidden layer of ReLU on the states of the language model `start`, see `language.states`."""

    architecture: Literal["states"]
    hidden: int = Field(ge=1, le=65536, description="units of the hidden layer")
    summary: Literal["mean", "last", "both"] = Field(
        "mean", description="of a passage's states: their mean, the last one, or the two side by side"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="on the features and on the hidden layer")
    untrained: bool = Field(
        False, description="draw the language model's weights anew from the seed: what training gave"
    )
    finetune: bool = Field(False, description="train the language model's weights, too")
    longest: int | None = Field(
        None, ge=1, description="characters that are read of a passage, from its beginning; null: all"
    )


Model = Annotated[Histogram | States, Field(discriminator="architecture")]


class Experiment(BaseExperiment):
    """Telling the label of each passage of a store of documents."""

    task: Literal["passages"]
    model: Model
    batch: int = Field(64, ge=1, description="passages in a batch")

    @model_validator(mode="after")
    def _start_fits_model(self) -> Self:
        if isinstance(self.model, States) and self.needed_model is None:
            raise ValueError("a model with architecture states needs a language model: `needs: models/EXPERIMENT`")
        if isinstance(self.model, Histogram) and self.needs:
            raise ValueError("architecture histogram needs nothing else: remove `needs`")
        return self
