"""The keys of an experiment with `task: captioning`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from anamnesis.schema import Settings
from anamnesis.training.settings import BaseExperiment, Baseline


class Rows(Settings):
    """Images of digits in a row, made from a seed, each with its reading in words."""

    shortest: int = Field(2, ge=1, le=16, description="digits of an image, at least")
    longest: int = Field(4, ge=1, le=16, description="digits of an image, at most")
    noise: float = Field(0.05, ge=0, le=1, description="standard deviation of the noise on each pixel, black being 1")
    zoom: float = Field(0.15, ge=0, le=0.3, description="how much larger or smaller a training digit may be drawn")
    shear: float = Field(0.2, ge=0, le=0.3, description="columns for each row that a training digit may be slanted by")
    shift: float = Field(0.5, ge=0, le=1, description="pixels that a training digit may be moved by, besides")
    fading: float = Field(0.2, ge=0, le=0.9, description="share of its darkness that a training digit may lose")
    train: int = Field(4000, ge=1, description="images of the training split's digits")
    valid: int = Field(400, ge=1, description="images of the validation split's digits")
    test: int = Field(1000, ge=1, description="images of the test split's digits")
    seed: int = Field(1, ge=0, le=2**32 - 1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.shortest > self.longest:
            raise ValueError(f"found shortest {self.shortest} above longest {self.longest}")
        return self


class Nearest(Baseline):
    """A floor: the caption of the training image that is nearest by its pixels."""

    architecture: Literal["nearest"]


class Network(Settings):
    """A convolutional encoder, and a recurrent decoder that begins with the image as its first state."""

    architecture: Literal["cnn-rnn", "cnn-gru", "cnn-lstm"]
    channels: int = Field(
        16, ge=1, le=65536, description="features of the first convolution; the second has twice as many"
    )
    hidden: int = Field(ge=1, le=65536, description="units of the decoder")
    embedding: int = Field(16, ge=1, le=65536, description="size of a letter's vector")
    dropout: float = Field(0.0, ge=0, lt=1, description="of the image's vector, and before the softmax")


Model = Annotated[Nearest | Network, Field(discriminator="architecture")]


class Search(Settings):
    """How captions are searched for."""

    beam: int = Field(3, ge=1, le=100, description="hypotheses that are followed at once; 1: greedy")
    length_penalty: float = Field(
        0.0, ge=0, le=5, description="a hypothesis' log-probability is divided by its length to this power"
    )


class Experiment(BaseExperiment):
    """Reading images of digits aloud."""

    task: Literal["captioning"]
    rows: Rows = Rows()
    model: Model
    batch: int = Field(32, ge=1, description="images in a batch")
    search: Search = Search()

    @property
    def reads(self) -> tuple[str, ...]:
        return ("images",)
