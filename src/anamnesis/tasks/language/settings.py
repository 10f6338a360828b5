"""The keys of an experiment with `task: language`: the model, the batches, the sampling of text."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from anamnesis.nn.settings import Layers, cell_settings
from anamnesis.schema import Settings
from anamnesis.training.settings import BaseExperiment, Baseline


class Uniform(Baseline):
    """A baseline: every token is equally likely, so perplexity is the size of the vocabulary."""

    architecture: Literal["uniform"]


class NGram(Baseline):
    """A baseline: n-grams with interpolated modified Kneser-Ney smoothing (Chen and Goodman 1999, section 3)."""

    architecture: Literal["ngram"]
    order: int = Field(ge=1, le=5, description="tokens in the longest n-gram")


class Reader(Layers):
    """A recurrent network between an embedding and a softmax."""

    embedding: int | None = Field(None, ge=1, le=65536, description="size of a token's vector; null: as `hidden`")
    tied: bool = Field(False, description="the softmax uses the embedding's matrix; needs embedding = hidden")
    softmax: Literal["full", "adaptive"] = Field(
        "full", description="adaptive: Grave et al. 2017, for large vocabularies"
    )

    @model_validator(mode="before")
    @classmethod
    def _reads_forwards(cls, content: Any) -> Any:
        if isinstance(content, dict) and "bidirectional" in content:
            raise ValueError(
                "bidirectional: a next-token model may not read what it predicts; both sides need task: cloze"
            )
        return content

    @model_validator(mode="after")
    def _tied_sizes_agree(self) -> Self:
        if self.tied and self.embedding not in (None, self.hidden):
            raise ValueError(f"tied weights need embedding = hidden, found {self.embedding} and {self.hidden}")
        if self.tied and self.softmax == "adaptive":
            raise ValueError("tied weights need softmax: full")
        if self.tied and self.architecture == "scrn":
            raise ValueError("tied weights need outputs as wide as the embedding; scrn puts out hidden and context")
        return self


# mypy knows the base class only.
if TYPE_CHECKING:
    Recurrent = Reader
else:
    Recurrent = cell_settings(Reader)

Model = Annotated[Uniform | NGram | Recurrent, Field(discriminator="architecture")]


class Streams(Settings):
    """Truncated BPTT over parallel streams that carry the hidden state from one segment to the next."""

    kind: Literal["streams"] = "streams"
    batch: int = Field(64, ge=1, description="parallel streams")
    steps: int = Field(50, ge=1, description="time steps of a segment, through which the gradient flows back")
    truncate: int | None = Field(
        None,
        ge=1,
        description="steps between cuts of the gradient within a segment; null: cut only between segments",
    )


class Windows(Settings):
    """Independent windows of the text, each read from the zero state; the target is the token after the window."""

    kind: Literal["windows"]
    batch: int = Field(128, ge=1, description="windows in a batch")
    length: int = Field(40, ge=1, description="tokens in a window")
    step: int = Field(3, ge=1, description="tokens from one window's start to the next")
    per_epoch: int | None = Field(None, ge=1, description="windows drawn in each epoch; null: all of them")


Batches = Annotated[Streams | Windows, Field(discriminator="kind")]


class Sampling(Settings):
    """How text is generated after each epoch and at the evaluation."""

    prompt: str = Field("", description="text the model reads first; empty: the start of a text")
    length: int = Field(200, ge=1, description="tokens to generate")
    temperature: float = Field(
        0.7, gt=0, description="divides the logits: below 1, probable tokens become more probable; above 1, less"
    )
    top_k: int | None = Field(None, ge=1, description="draw among this many most probable tokens; null: all")
    noise: float = Field(
        0.0, ge=0, description="standard deviation of a network's state before the first token; 0: the zero state"
    )


class Experiment(BaseExperiment):
    """A language model: next-token prediction on one token store."""

    takes_model: ClassVar[bool] = True
    keeps_weights: ClassVar[bool] = True

    task: Literal["language"]
    model: Model
    batches: Batches = Streams()
    sampling: Sampling = Sampling()

    @property
    def reusable(self) -> bool:
        return isinstance(self.model, Reader)

    def check_inputs(self, tokens: Any, needed: Any, needed_tokens: Any) -> None:
        """Refuse to start from a model with another tokenizer or network."""
        if needed is None:
            return
        other = f"tokens: found {self.tokens!r}, another tokenizer than that of {self.needs}, which reads"
        if tokens.kind != needed_tokens.kind:
            raise ValueError(f"{other} {needed_tokens.kind}; this store holds {tokens.kind}")
        if tokens.kind == "words" and self.tokens != needed.tokens:
            raise ValueError(f"{other} the words of {needed.tokens}; allowed: {needed.tokens}")
        if self.model != needed.model:
            raise ValueError(f"model: found another network than that of {self.needs}; allowed: the same block")

    @model_validator(mode="after")
    def _keys_fit_model(self) -> Self:
        if isinstance(self.model, Baseline) and self.needs:
            raise ValueError(f"architecture {self.model.architecture} needs nothing else: remove `needs`")
        if isinstance(self.model, Baseline) and self.sampling.noise:
            raise ValueError(f"architecture {self.model.architecture} has no state: remove sampling.noise")
        return self
