"""The keys of an experiment with `task: cloze`."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from anamnesis.nn.settings import Layers, cell_settings
from anamnesis.training.settings import BaseExperiment, Baseline


class Unigram(Baseline):
    """A baseline: the frequencies of the training split's words, whatever stands around the blank."""

    architecture: Literal["unigram"]


class Reader(Layers):
    """Recurrent stacks between an embedding and a softmax."""

    direction: Literal["left", "both"] = Field(
        description="left: read the words before the blank; both: also read the words after it, backwards"
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


# mypy knows the base class only.
if TYPE_CHECKING:
    Recurrent = Reader
else:
    Recurrent = cell_settings(Reader)

Model = Annotated[Unigram | Recurrent, Field(discriminator="architecture")]


class Experiment(BaseExperiment):
    """Prediction of each word of a sentence from its other words."""

    task: Literal["cloze"]
    model: Model
    batch: int = Field(32, ge=1, description="sentences in a batch")
    sentences: int = Field(20, ge=1, description="test sentences to show with a blank and the predicted words")

    @property
    def token_kinds(self) -> tuple[str, ...]:
        return ("words",)
