"""The keys of an experiment with `task: passages`: what a passage becomes, and the network that tells its label."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from anamnesis.schema import Settings
from anamnesis.training.settings import Trainer, Training


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


class Experiment(Settings):
    """Telling the label of each passage of a store of documents."""

    task: Literal["passages"]
    tokens: str = Field(description="an entry of `tokens`, of kind characters, that holds labelled documents")
    start: str | None = Field(None, description="the experiment whose language model reads the passages")
    seed: int = Field(1, ge=0, le=2**32 - 1)
    model: Model
    batch: int = Field(64, ge=1, description="passages in a batch")
    training: Training
    trainer: Trainer = Trainer()

    @model_validator(mode="after")
    def _start_fits_model(self) -> Self:
        if isinstance(self.model, States) and self.start is None:
            raise ValueError("a model with architecture states needs `start`, so it stands under `derived`")
        if isinstance(self.model, Histogram) and self.start is not None:
            raise ValueError("architecture histogram uses no other model: remove `start`")
        return self
