"""The keys of an experiment with `task: captioning`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from anamnesis.nn.settings import Beam, LengthPenalty
from anamnesis.schema import Settings
from anamnesis.training.settings import BaseExperiment, Baseline


class DigitImages(Settings):
    """Images of several digits, drawn from a seed; the caption is the digits in words."""

    shortest: int = Field(2, ge=1, le=16, description="smallest number of digits in an image")
    longest: int = Field(4, ge=1, le=16, description="largest number of digits in an image")
    noise: float = Field(0.05, ge=0, le=1, description="standard deviation of the noise on each pixel, black being 1")
    zoom: float = Field(0.15, ge=0, le=0.3, description="largest change of a training digit's size, as a share")
    shear: float = Field(0.2, ge=0, le=0.3, description="largest slant of a training digit, in columns for each row")
    shift: float = Field(0.5, ge=0, le=1, description="largest shift of a training digit, in pixels")
    fading: float = Field(0.2, ge=0, le=0.9, description="largest share of a training digit's darkness that is removed")
    train: int = Field(4000, ge=1, description="images of the training split")
    valid: int = Field(400, ge=1, description="images of the validation split")
    test: int = Field(1000, ge=1, description="images of the test split")
    seed: int = Field(1, ge=0, le=2**32 - 1)

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.shortest > self.longest:
            raise ValueError(f"found shortest {self.shortest} above longest {self.longest}")
        return self


class Nearest(Baseline):
    """A baseline: the caption of the training image with the nearest pixels."""

    architecture: Literal["nearest"]


class Network(Settings):
    """A convolutional encoder, and a recurrent decoder whose initial state is the encoded image."""

    architecture: Literal["cnn-rnn", "cnn-gru", "cnn-lstm"]
    channels: int = Field(
        16, ge=1, le=65536, description="features of the first convolution; the second has twice as many"
    )
    hidden: int = Field(ge=1, le=65536, description="units of the decoder")
    embedding: int = Field(16, ge=1, le=65536, description="size of a letter's vector")
    dropout: float = Field(0.0, ge=0, lt=1, description="of the image's vector, and before the softmax")


Model = Annotated[Nearest | Network, Field(discriminator="architecture")]


class Search(Settings):
    """How a network searches for captions."""

    beam: Beam = 3
    length_penalty: LengthPenalty = 0.0


class Experiment(BaseExperiment):
    """Captioning images of digits: three digits become "three seven one"."""

    task: Literal["captioning"]
    images: DigitImages = DigitImages()
    model: Model
    batch: int = Field(32, ge=1, description="images in a batch")
    search: Search = Search()

    @property
    def reads(self) -> tuple[str, ...]:
        return ("images",)
