"""The keys of an experiment with `task: classification`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from anamnesis.schema import Settings
from anamnesis.training.settings import BaseExperiment, Baseline


class TfIdf(Baseline):
    """A floor: logistic regression on TF-IDF of the document's words, all of them, in any order."""

    architecture: Literal["tfidf"]
    strength: float = Field(10.0, gt=0, description="C: the inverse of the L2 penalty's factor")
    sublinear: bool = Field(True, description="count a word that occurs n times as 1 + ln n")


class Reading(Settings):
    """What every network does with the words: embed them, read them, and tell the label from what it remembers."""

    embedding: int = Field(64, ge=1, le=65536, description="size of a word's vector")
    hidden: int = Field(ge=1, le=65536, description="units of each recurrent layer, and of each direction")
    layers: int = Field(1, ge=1, le=16, description="recurrent layers on top of each other")
    dropout: float = Field(0.0, ge=0, lt=1, description="of word vectors, between layers, and before the softmax")
    dense: int | None = Field(
        None, ge=1, le=65536, description="units of a layer of ReLU between the summary and the softmax; null: none"
    )
    summary: Literal["last", "mean", "max"] = Field(
        "last", description="of the states: the last one, their mean, or the largest value of each unit"
    )


class Forwards(Reading):
    """A recurrent network that reads from the first word to the last."""

    architecture: Literal["rnn", "rnn-relu", "irnn", "gru", "lstm", "lstm-gates"]
    norm: Literal["none", "layer", "batch"] = Field("none", description="normalisation after each recurrent layer")
    residual: bool = Field(False, description="add to a layer's outputs what it read, where the sizes agree")


class Both(Reading):
    """A recurrent network that reads in both directions; with several layers, the deep bidirectional one."""

    architecture: Literal["birnn"]
    cell: Literal["rnn", "gru", "lstm"] = Field("lstm", description="the kind of recurrent layer")


class Convolutional(Reading):
    """Convolution over neighbouring words, pooling, then an LSTM over what it found (CNN-LSTM)."""

    architecture: Literal["cnn-lstm"]
    channels: int = Field(64, ge=1, le=65536, description="features that the convolution finds")
    width: int = Field(3, ge=1, le=99, description="words that one feature sees")
    pool: int = Field(2, ge=1, le=99, description="neighbouring places of which the largest value is kept")


Model = Annotated[TfIdf | Forwards | Both | Convolutional, Field(discriminator="architecture")]


class Experiment(BaseExperiment):
    """Telling the label of each document of a token store."""

    task: Literal["classification"]
    model: Model
    length: int = Field(50, ge=1, le=100_000, description="words of a document that are read, from its beginning")
    padding: Literal["dummy", "packed"] = Field(
        "dummy",
        description="dummy: shorter documents are filled up with a word DUMMY, which the network reads like any "
        "other; packed: each is read to its own end only",
    )
    batch: int = Field(32, ge=1, description="documents in a batch")

    @model_validator(mode="after")
    def _norm_fits_padding(self) -> Self:
        if isinstance(self.model, Forwards) and self.model.norm == "batch" and self.padding == "packed":
            raise ValueError(
                "model.norm batch takes the mean over all steps, those behind a document's end among them: it needs "
                "`padding: dummy`, where all of them are read"
            )
        return self
