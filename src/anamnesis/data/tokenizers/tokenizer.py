"""Learning a tokenizer from a text, saving and loading it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from anamnesis import files
from anamnesis.data.tokenizers import bigrams, characters, settings, subwords, words
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.schema import Settings

__all__ = ["Tokenizer", "learn", "learn_documents", "load", "save"]

FORMAT = 1


def learn(entry: settings.TextTokens, blocks: Iterable[str]) -> Tokenizer:
    """The tokenizer of an entry of `tokens`, learned from the training split, which comes in blocks."""
    if isinstance(entry, settings.Characters):
        return characters.learn(blocks)
    if isinstance(entry, settings.Bigrams):
        return bigrams.learn(blocks)
    if isinstance(entry, settings.Subwords):
        return subwords.learn(blocks, entry.size)
    return words.learn(blocks, **entry.model_dump(exclude={"kind", "corpus"}))


def learn_documents(entry: settings.DocumentTokens, documents: Iterable[str]) -> Tokenizer:
    """The tokenizer of an entry of `tokens`, learned from separate documents: no token spans two of them."""
    if isinstance(entry, settings.Words):
        return learn(entry, (document + "\n\n" for document in documents))  # a blank line ends a sentence
    if isinstance(entry, settings.Subwords):
        return subwords.learn_pieces(([document] for document in documents), entry.size)
    return learn(entry, documents)


def save(tokenizer: Tokenizer, path: Path) -> None:
    """Write tokenizer.json."""
    content = {"format": FORMAT, "kind": tokenizer.kind, "tokens": tokenizer.tokens, **tokenizer.state_dict()}
    files.write_json(path, content)


def load(path: Path) -> Tokenizer:
    """The tokenizer of a tokenizer.json, all of which is checked.

    Raises:
        AnamnesisError: the file is missing, or `save` did not write it.
    """
    try:
        saved = TypeAdapter(_Saved).validate_json(path.read_bytes())
        return _rebuild(saved)
    except FileNotFoundError:
        raise AnamnesisError(f"{path}: no such file") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise AnamnesisError(f"{path}: not a tokenizer: {place + ': ' if place else ''}{first['msg']}") from None
    except ValueError as error:
        raise AnamnesisError(f"{path}: not a tokenizer: {error}") from None


class _Base(Settings):
    format: Literal[1]
    tokens: list[str]


class _Characters(_Base):
    kind: Literal["characters"]


class _Bigrams(_Base):
    kind: Literal["bigrams"]


class _Words(_Base):
    kind: Literal["words"]
    language: settings.Language
    lower: bool
    sentences: settings.Sentences
    delete: str = ""


class _Subwords(_Base):
    kind: Literal["subwords"]
    merges: list[tuple[str, str]]
    placeholders: bool = False


_Saved = Annotated[_Characters | _Bigrams | _Words | _Subwords, Field(discriminator="kind")]


def _rebuild(saved: _Characters | _Bigrams | _Words | _Subwords) -> Tokenizer:
    if isinstance(saved, _Characters):
        return characters.Characters(saved.tokens)
    if isinstance(saved, _Bigrams):
        return bigrams.Bigrams(saved.tokens)
    if isinstance(saved, _Subwords):
        return subwords.Subwords(saved.tokens, saved.merges, saved.placeholders)
    return words.Words(saved.tokens, saved.language, saved.lower, saved.sentences, saved.delete)
