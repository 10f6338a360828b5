"""The keys of an experiment with `task: cloze`: which word stood at a blank of a sentence."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from anamnesis.nn.settings import Context, Layers, OwnCell, Plain
from anamnesis.schema import Settings
from anamnesis.training.settings import Trainer, Training


class Unigram(Settings):
    """The floor: the frequencies of the training split's words, whatever stands around the blank."""

    architecture: Literal["unigram"]


class Reader(Layers):
    """Recurrent stacks between an embedding and a softmax."""

    direction: Literal["left", "both"] = Field(
        description="left: read what stands before the blank; both: and, backwards, what stands after it"
    )
    embedding: int | None = Field(None, ge=1, le=65536, description="size of a word's vector; null: as `hidden`")
    softmax: Literal["full", "adaptive"] = Field(
        "full", description="adaptive: Grave et al. 2017, for large vocabularies"
    )

    @model_validator(mode="after")
    def _no_leak(self) -> Self:
        if self.norm == "batch":
            raise ValueError("norm: found batch, which mixes the blank's own word in; allowed: none, layer")
        return self


class Recurrent(Plain, Reader):
    """A cloze model of vanilla RNN, GRU or LSTM layers."""


class RecurrentContext(Context, Reader):
    """A cloze model of layers with context features (SCRN)."""


class RecurrentOwn(OwnCell, Reader):
    """A cloze model of the user's own layers."""


Model = Annotated[Unigram | Recurrent | RecurrentContext | RecurrentOwn, Field(discriminator="architecture")]


class Experiment(Settings):
    """Prediction of each word of a sentence from its other words."""

    task: Literal["cloze"]
    tokens: str = Field(description="an entry of `tokens`, of kind words")
    seed: int = Field(1, ge=0, le=2**32 - 1)
    model: Model
    batch: int = Field(32, ge=1, description="sentences in a batch")
    training: Training | None = Field(None, description="needed by a network, refused for the unigram model")
    trainer: Trainer = Trainer()
    sentences: int = Field(20, ge=1, description="held-out sentences to show with a blank at the evaluation")

    @model_validator(mode="after")
    def _training_fits_model(self) -> Self:
        trained = isinstance(self.model, Reader)
        if trained and self.training is None:
            raise ValueError(f"a model with architecture {self.model.architecture} needs a `training` block")
        if not trained and self.training is not None:
            raise ValueError(f"architecture {self.model.architecture} is not trained by gradients: remove `training`")
        return self
