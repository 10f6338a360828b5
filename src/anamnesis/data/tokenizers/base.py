"""The interface of all tokenizers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

UNKNOWN, START, END = "<unk>", "<s>", "</s>"


class Chunk(NamedTuple):
    """Some consecutive ids of a text.

    Attributes:
        ids: unsigned, shape (ids,).
        unknown_characters: number of characters in its unknown tokens.
        unknown_words: characters of the word behind each `<unk>`, 0 for a punctuation mark: uint32, shape (unknown
            tokens,); None unless tokens are words.
    """

    ids: np.ndarray
    unknown_characters: int
    unknown_words: np.ndarray | None = None


class Tokenizer(ABC):
    """Text to ids and back.

    Attributes:
        kind: characters, bigrams, words or subwords.
        tokens: the string of each id; special ones are "<unk>", "<s>", "</s>". Subwords are strings of the 256 symbols
            of bytes.
        unknown_id: the id of tokens that the training split does not have; None: every text has known tokens.
        start_id, end_id: the ids of `<s>` and `</s>` around each sentence; None: the kind has no sentences.
    """

    kind: ClassVar[str]
    tokens: list[str]
    unknown_id: int | None = None
    start_id: int | None = None
    end_id: int | None = None

    @property
    def vocabulary_size(self) -> int:
        return len(self.tokens)

    @abstractmethod
    def chunks(self, blocks: Iterable[str]) -> Iterator[Chunk]:
        """The ids of a text that comes in blocks; they do not depend on the size of the blocks."""

    @abstractmethod
    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        """The text in pieces: one for each id, and a last one if bytes of a character remain."""

    def state_dict(self) -> dict[str, Any]:
        """Further entries of tokenizer.json, besides format, kind and tokens."""
        return {}

    def encode(self, text: str) -> np.ndarray:
        """The ids of a prompt: int64, shape (ids,). Words begin with `<s>`; the last sentence has no `</s>`."""
        parts = [chunk.ids for chunk in self.chunks([text] if text else [])]
        return np.concatenate(parts, dtype=np.int64, casting="unsafe") if parts else np.empty(0, np.int64)

    def encode_sentence(self, text: str) -> np.ndarray:
        """The ids of one complete sentence: int64, shape (ids,). A words tokenizer puts it between `<s>` and `</s>`."""
        return self.encode(text)

    def encode_document(self, text: str) -> Chunk:
        """The ids of a document, without `<s>` and `</s>`."""
        chunks = list(self.chunks([text] if text else []))
        ids = np.concatenate([chunk.ids for chunk in chunks]) if chunks else np.empty(0, np.uint32)
        if self.start_id is not None:
            ids = ids[(ids != self.start_id) & (ids != self.end_id)]
        return Chunk(ids, sum(chunk.unknown_characters for chunk in chunks))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids: the encoded text, if it has no unknown tokens and the kind is not words."""
        return "".join(self.stream(ids))


def check(tokens: list[str], special: list[str]) -> None:
    """Raise a ValueError unless the special tokens come first and all tokens differ."""
    if tokens[: len(special)] != special:
        raise ValueError(f"the tokens must start with {', '.join(special)}")
    if len(set(tokens)) != len(tokens):
        raise ValueError("a token occurs twice")
    if "" in tokens:
        raise ValueError("a token is empty")


def rank(counts: Mapping[str, int]) -> list[str]:
    """The keys by descending count; equal counts in the order of their code points."""
    return sorted(counts, key=lambda token: (-counts[token], token))
