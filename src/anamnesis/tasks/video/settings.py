"""The keys of an experiment with `task: video`."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from anamnesis.schema import Settings
from anamnesis.training.settings import BaseExperiment

LONGEST = 1000
# Height and width of a digit in pixels.
DIGIT = 8


class Videos(Settings):
    """Short videos, drawn from a seed: a digit moves over a larger field; the class is the digit and its direction."""

    frames: int = Field(12, ge=2, le=LONGEST, description="frames of a video")
    size: int = Field(20, ge=9, le=512, description="height and width of the field in pixels; a digit has 8")
    speed: float = Field(
        0.5,
        gt=0,
        le=4,
        description="pixels that a digit moves between two frames, horizontally, vertically or both",
    )
    noise: float = Field(0.1, ge=0, le=1, description="standard deviation of the noise on each pixel, black being 1")
    train: int = Field(2000, ge=1, description="videos of the training split's digits")
    valid: int = Field(400, ge=1, description="videos of the validation split's digits")
    test: int = Field(800, ge=1, description="videos of the test split's digits")
    seed: int = Field(1, ge=0, le=2**32 - 1)

    @property
    def reach(self) -> int:
        """The largest distance of a digit from its place in the middle frame, in whole pixels."""
        return math.ceil(self.speed * (self.frames // 2))

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        if (least := DIGIT + 2 * self.reach) > self.size:
            raise ValueError(
                f"found size {self.size}: a digit of {DIGIT} pixels that moves {self.speed:g} pixels a frame, in "
                f"{self.frames} frames, leaves such a field; allowed: size {least} or more, or fewer or slower frames"
            )
        return self


class Convolutions(Settings):
    """A convolutional network that turns one frame into a vector."""

    channels: int = Field(
        8, ge=1, le=65536, description="features of the first convolution; the second has four times as many"
    )
    features: int = Field(96, ge=2, le=65536, description="size of the vector that a frame becomes")
    dropout: float = Field(0.0, ge=0, lt=1, description="of the frame's vector, and before the softmax")


class CnnLstm(Convolutions):
    """A convolutional network turns each frame into a vector, and an LSTM reads the vectors (Donahue et al. 2015)."""

    architecture: Literal["cnn-lstm"]
    hidden: int = Field(ge=1, le=65536, description="units of the LSTM")


class Cnn(Convolutions):
    """The convolutional network alone, on the middle frame."""

    architecture: Literal["cnn"]


class Lstm(Settings):
    """The LSTM alone, on the raw pixels of each frame."""

    architecture: Literal["lstm"]
    hidden: int = Field(ge=1, le=65536, description="units of the LSTM")
    dropout: float = Field(0.0, ge=0, lt=1, description="before the softmax")


Model = Annotated[CnnLstm | Cnn | Lstm, Field(discriminator="architecture")]


class Experiment(BaseExperiment):
    """Classification of videos: which digit moves in which direction."""

    task: Literal["video"]
    videos: Videos = Videos()
    model: Model
    batch: int = Field(32, ge=1, description="videos in a batch")

    @property
    def reads(self) -> tuple[str, ...]:
        return ("images",)
