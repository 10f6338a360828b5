"""The keys of an experiment with `task: translation`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from anamnesis.nn.settings import Beam, LengthPenalty
from anamnesis.schema import Settings
from anamnesis.training.settings import BaseExperiment, Baseline


class Copy(Baseline):
    """A baseline: the source sentence, unchanged."""

    architecture: Literal["copy"]


class Nearest(Baseline):
    """A baseline: the translation of the training sentence that is nearest to the source by TF-IDF."""

    architecture: Literal["nearest"]


class Network(Settings):
    """An encoder that reads the source, and a decoder that writes the target."""

    cell: Literal["rnn", "gru", "lstm"] = Field("lstm", description="recurrent layers of the encoder and the decoder")
    layers: int = Field(1, ge=1, le=16, description="recurrent layers on top of each other, in both")
    hidden: int = Field(ge=1, le=65536, description="units of each layer, and of each direction of the encoder")
    embedding: int | None = Field(None, ge=1, le=65536, description="size of a token's vector; null: as `hidden`")
    dropout: float = Field(0.0, ge=0, lt=1, description="of embeddings, between layers, and before the softmax")
    tied: Literal["none", "output", "all"] = Field(
        "output",
        description="output: the softmax uses the decoder's embedding as its weights; all: the encoder uses it, too, "
        "which needs a vocabulary that both languages share (Press and Wolf 2017, section 3)",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of the target's probability that is spread over all tokens"
    )


class Seq2Seq(Network):
    """Sequence to sequence without attention: the encoder's last state is the context vector."""

    architecture: Literal["seq2seq"]
    reverse: bool = Field(False, description="read the source backwards (Sutskever et al. 2014, section 3.3)")


class Attentive(Network):
    """An encoder that reads in both directions, and a decoder that attends to all source tokens."""

    architecture: Literal["attention"]
    attention: Literal["additive", "multiplicative"] = Field(
        "additive", description="additive: Bahdanau et al. 2015; multiplicative: Luong et al. 2015, `general`"
    )
    input_feeding: bool = Field(
        False,
        description="the decoder also reads its attentional vector of the step before (Luong et al. 2015, section 3.3)",
    )


Model = Annotated[Copy | Nearest | Seq2Seq | Attentive, Field(discriminator="architecture")]


class Search(Settings):
    """How a network searches for translations."""

    beam: Beam = 5
    length_penalty: LengthPenalty = 1.0
    ratio: float = Field(2.0, gt=0, le=20, description="largest number of target tokens for each source token")
    extra: int = Field(10, ge=1, le=1000, description="target tokens that are allowed beyond `ratio`")


class Experiment(BaseExperiment):
    """Translation of sentences from one language to another."""

    task: Literal["translation"]
    model: Model
    batch: int = Field(600, ge=1, description="target tokens in a batch, padding included, at most")
    search: Search = Search()

    @property
    def reads(self) -> tuple[str, ...]:
        return ("sentence pairs",)

    def check_inputs(self, tokens: Any, needed: Any, needed_tokens: Any) -> None:
        """Refuse one embedding for two vocabularies."""
        if getattr(self.model, "tied", None) == "all" and not getattr(tokens, "shared", False):
            raise ValueError(
                f"model.tied: found all; the languages of {self.tokens!r} share no vocabulary; allowed: none, output"
            )
