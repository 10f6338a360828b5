"""The keys of an entry of `tokens`: a corpus and its tokenizer."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from anamnesis.data.text.languages import UNSPACED
from anamnesis.schema import Settings


def _language(value: str) -> str:
    if value in UNSPACED:
        raise ValueError(f"{value} puts no spaces between words; use characters or subwords")
    return value


Code = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Language = Annotated[Code, AfterValidator(_language)]
Longest = Annotated[
    int | None,
    Field(
        ge=1,
        description="tokens that each sentence of a training pair may have; null: no limit (valid and test stay whole)",
    ),
]
Sentences = Literal["punctuation", "lines"]


# What `makes` of a corpus's class may be; each class of tokens states in `accepts` which of them it can encode.
TEXTS = ("running text", "labelled passages", "labelled documents")


class Characters(Settings):
    """Every character (Unicode code point) of the text is a token."""

    accepts: ClassVar = TEXTS
    kind: Literal["characters"]
    corpus: str = Field(description="an entry of `corpora`")


class Bigrams(Settings):
    """Consecutive pieces of two characters, without overlap."""

    accepts: ClassVar = ("running text",)
    kind: Literal["bigrams"]
    corpus: str = Field(description="an entry of `corpora`")


class Words(Settings):
    """Words and punctuation marks, in sentences between `<s>` and `</s>`; a rare word becomes `<unk>`."""

    accepts: ClassVar = TEXTS
    kind: Literal["words"]
    corpus: str = Field(description="an entry of `corpora`")
    limit: int | None = Field(None, ge=4, description="largest vocabulary, with <unk>, <s>, </s>; null: no limit")
    minimum_count: int = Field(1, ge=1, description="times a word must occur in the training split to be kept")
    language: Language = Field("en", description="a two-letter code; zh is cut into words by jieba, others at spaces")
    lower: bool = Field(False, description="make every word lower-case")
    sentences: Sentences = Field(
        "punctuation", description="lines: each line of the text is one sentence, whatever it says"
    )
    delete: str = Field(
        "",
        description="marks to delete; white space then separates words, so that `well-known,` without `-,` is "
        "`wellknown`; empty: punctuation marks are tokens",
    )

    @model_validator(mode="after")
    def _delete_fits(self) -> Self:
        if self.delete and self.language == "zh":
            raise ValueError("delete: zh puts no spaces between words, so nothing would separate them")
        if self.delete and any(mark.isalnum() or mark.isspace() for mark in self.delete):
            raise ValueError(f"delete: found {self.delete!r}; allowed: marks, no letters, digits or white space")
        return self


class Subwords(Settings):
    """Byte-pair encoding over bytes (Sennrich et al. 2016; Radford et al. 2019): decoding restores every text."""

    accepts: ClassVar = TEXTS
    kind: Literal["subwords"]
    corpus: str = Field(description="an entry of `corpora`")
    size: int = Field(ge=256, le=1_000_000, description="largest vocabulary: the 256 bytes and the merges")


class WordPairs(Settings):
    """Sentence pairs as words and punctuation marks, with a vocabulary for each language."""

    accepts: ClassVar = ("sentence pairs",)
    kind: Literal["word-pairs"]
    corpus: str = Field(description="an entry of `corpora` with `reader: pairs`")
    languages: list[Language] = Field(
        ["en", "nl"], min_length=2, max_length=2, description="codes of source and target, as of `words`"
    )
    limit: int | None = Field(
        None, ge=4, description="largest vocabulary of each language, with <unk>, <s>, </s>; null: no limit"
    )
    minimum_count: int = Field(1, ge=1, description="times a word must occur in the training split to be kept")
    lower: bool = Field(False, description="make every word lower-case")
    longest: Longest = None


class SubwordPairs(Settings):
    """Sentence pairs as subwords: decoding restores every sentence."""

    accepts: ClassVar = ("sentence pairs",)
    kind: Literal["subword-pairs"]
    corpus: str = Field(description="an entry of `corpora` with `reader: pairs`")
    languages: list[Code] = Field(["en", "nl"], min_length=2, max_length=2, description="codes of source and target")
    size: int = Field(ge=256, le=1_000_000, description="largest vocabulary: the 256 bytes and the merges")
    shared: bool = Field(True, description="one vocabulary learned from both languages; false: one of each")
    placeholders: bool = Field(
        False,
        description="a placeholder, tag or address (`%s`, `{name}`, `<b>`) is one token, which a translation copies; "
        "so is a word or symbol with a character that no token holds; a text in capitals is read in small letters",
    )
    longest: Longest = None


class ImageTokens(Settings):
    """The pixels of small labelled images."""

    accepts: ClassVar = ("images",)
    kind: Literal["images"]
    corpus: str = Field(description="an entry of `corpora` with `reader: digits`")


class SeriesTokens(Settings):
    """The values of a series of numbers in the order of time."""

    accepts: ClassVar = ("a series",)
    kind: Literal["series"]
    corpus: str = Field(description="an entry of `corpora` with `reader: series`")


# The kinds of tokens for running text, labelled documents and sentence pairs.
TextTokens = Characters | Bigrams | Words | Subwords
DocumentTokens = Characters | Words | Subwords
PairTokens = WordPairs | SubwordPairs
Tokens = Annotated[TextTokens | PairTokens | ImageTokens | SeriesTokens, Field(discriminator="kind")]
