"""The keys of an experiment with `task: classification`."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from anamnesis.schema import Settings
from anamnesis.training.settings import BaseExperiment, Baseline

TokenKind = Literal["words", "characters"]


class TfIdf(Baseline):
    """A baseline: logistic regression on the TF-IDF values of all words of a document, whatever their order."""

    token_kind: ClassVar[TokenKind] = "words"

    architecture: Literal["tfidf"]
    strength: float = Field(10.0, gt=0, description="C: the inverse of the L2 penalty's factor")
    sublinear: bool = Field(True, description="count a word that occurs n times as 1 + ln n")


class WordNetwork(Settings):
    """A network of word vectors, a recurrent stack, a summary of its outputs, and a softmax over the labels."""

    token_kind: ClassVar[TokenKind] = "words"

    embedding: int = Field(64, ge=1, le=65536, description="size of a word's vector")
    hidden: int = Field(ge=1, le=65536, description="units of each recurrent layer, and of each direction")
    layers: int = Field(1, ge=1, le=16, description="recurrent layers on top of each other")
    dropout: float = Field(0.0, ge=0, lt=1, description="of word vectors, between layers, and before the softmax")
    dense: int | None = Field(
        None, ge=1, le=65536, description="units of a layer of ReLU between the summary and the softmax; null: none"
    )
    summary: Literal["last", "mean", "max"] = Field(
        "last", description="of the outputs: the last one, their mean, or the largest value of each unit"
    )
    length: int = Field(50, ge=1, le=100_000, description="words of a document that are read, from its beginning")
    padding: Literal["dummy", "packed"] = Field(
        "dummy",
        description="dummy: shorter documents are filled up with a word DUMMY, which the network reads like any "
        "other; packed: the network stops at the end of each document",
    )


class Recurrent(WordNetwork):
    """A recurrent network that reads from the first word to the last."""

    architecture: Literal["rnn", "rnn-relu", "irnn", "gru", "lstm", "lstm-gates"]
    norm: Literal["none", "layer", "batch"] = Field("none", description="normalisation after each recurrent layer")
    residual: bool = Field(False, description="add a layer's inputs to its outputs, where their sizes agree")

    @model_validator(mode="after")
    def _norm_fits_padding(self) -> Self:
        if self.norm == "batch" and self.padding == "packed":
            raise ValueError(
                "norm batch takes means over all steps, also those behind a document's end: it needs `padding: dummy`"
            )
        return self


class Bidirectional(WordNetwork):
    """A recurrent network that reads in both directions; with several layers, the deep bidirectional one."""

    architecture: Literal["birnn"]
    cell: Literal["rnn", "gru", "lstm"] = Field("lstm", description="the kind of recurrent layer")


class ConvolutionalRecurrent(WordNetwork):
    """Convolution over neighbouring words and pooling, then an LSTM (CNN-LSTM)."""

    architecture: Literal["cnn-lstm"]
    channels: int = Field(64, ge=1, le=65536, description="features of the convolution")
    width: int = Field(3, ge=1, le=99, description="neighbouring words in the convolution's kernel")
    pool: int = Field(2, ge=1, le=99, description="neighbouring positions of which the largest value is kept")


class Histogram(Settings):
    """A baseline, trained by gradients: logistic regression on how often each character occurs in a document."""

    token_kind: ClassVar[TokenKind] = "characters"

    architecture: Literal["histogram"]


class LanguageModel(Settings):
    """A language model, `needs: models/EXPERIMENT`, as encoder of a document, with one hidden layer of ReLU on top."""

    token_kind: ClassVar[TokenKind] = "characters"

    architecture: Literal["language-model"]
    hidden: int = Field(ge=1, le=65536, description="units of the hidden layer")
    summary: Literal["mean", "last", "both"] = Field(
        "mean", description="of the language model's hidden states: their mean, the last one, or both side by side"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="on the summary and on the hidden layer")
    untrained: bool = Field(
        False, description="draw the language model's weights from the seed, to compare with its trained weights"
    )
    finetune: bool = Field(False, description="train the language model's weights, too; false: they are frozen")
    longest: int | None = Field(
        None, ge=1, description="characters of a document that are read, from its beginning; null: all"
    )


Network = Recurrent | Bidirectional | ConvolutionalRecurrent
Model = Annotated[TfIdf | Network | Histogram | LanguageModel, Field(discriminator="architecture")]


def _default_batch(content: dict[str, Any]) -> int:
    return 64 if isinstance(content.get("model"), Histogram | LanguageModel) else 32


class Experiment(BaseExperiment):
    """Classification of the documents or passages of a token store."""

    takes_model: ClassVar[bool] = True

    task: Literal["classification"]
    model: Model
    batch: int = Field(
        default_factory=_default_batch,
        ge=1,
        description="documents in a batch; by default 64 for a histogram or a language model, 32 for other networks",
        json_schema_extra={"default": "32 or 64"},
    )

    @property
    def reads(self) -> tuple[str, ...]:
        return ("labelled documents", "labelled passages")

    @property
    def token_kinds(self) -> tuple[str, ...]:
        return (self.model.token_kind,)

    @model_validator(mode="after")
    def _needs_fits_model(self) -> Self:
        architecture = self.model.architecture
        if isinstance(self.model, LanguageModel):
            if self.needed_model is None:
                raise ValueError(f"architecture {architecture} needs a language model: `needs: models/EXPERIMENT`")
        elif self.needs:
            raise ValueError(f"architecture {architecture} needs no other model or cell: remove `needs`")
        return self
