"""What every tokenizer can do."""

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
        unknown_words: characters of the word that each `<unk>` stands for, 0 where it is a punctuation mark: uint32,
            (unknown tokens,); None of tokens that are no words.
    """

    ids: np.ndarray
    unknown_characters: int
    unknown_words: np.ndarray | None = None


class Tokenizer(ABC):
    """Text to ids and back.

    Attributes:
        kind: characters, bigrams, words or subwords.
        tokens: id -> string; the special ones are "<unk>", "<s>", "</s>". Subwords are strings over the 256 symbols
            that stand for bytes.
        unknown_id: the id of what the training split never held; None: there is no such thing.
        start_id, end_id: `<s>` and `</s>` around each sentence; None: the kind has no sentences.
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
        """The ids of a whole text that comes in blocks; they do not depend on where a block ends."""

    @abstractmethod
    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        """The text piece by piece, one for each id as it comes, and one at the end where something was held back."""

    def saved(self) -> dict[str, Any]:
        """What tokenizer.json says besides format, kind and tokens."""
        return {}

    def encode(self, text: str) -> np.ndarray:
        """The ids of a prompt: int64, shape (ids,). Words: with `<s>` first, the last sentence left open."""
        found = [chunk.ids for chunk in self.chunks([text] if text else [])]
        return np.concatenate(found, dtype=np.int64, casting="unsafe") if found else np.empty(0, np.int64)

    def encode_sentence(self, text: str) -> np.ndarray:
        """The ids of one complete sentence: int64, shape (ids,). A words tokenizer puts it between `<s>` and `</s>`."""
        return self.encode(text)

    def encode_document(self, text: str) -> Chunk:
        """The ids of a whole text that stands by itself, without `<s>` and `</s>`."""
        chunks = list(self.chunks([text] if text else []))
        ids = np.concatenate([chunk.ids for chunk in chunks]) if chunks else np.empty(0, np.uint32)
        if self.start_id is not None:
            ids = ids[(ids != self.start_id) & (ids != self.end_id)]
        return Chunk(ids, sum(chunk.unknown_characters for chunk in chunks))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; unless it held something unknown, the very text that was encoded, but for words."""
        return "".join(self.stream(ids))


def check(tokens: list[str], special: list[str]) -> None:
    """Ask that the special tokens come first and that nothing is there twice.

    Raises:
        ValueError: it is not so.
    """
    if tokens[: len(special)] != special:
        raise ValueError(f"the tokens must start with {', '.join(special)}")
    if len(set(tokens)) != len(tokens):
        raise ValueError("a token is there twice")
    if "" in tokens:
        raise ValueError("a token is empty")


def ranked(counts: Mapping[str, int]) -> list[str]:
    """The keys, the most frequent first, equally frequent ones in the order of their code points."""
    return sorted(counts, key=lambda token: (-counts[token], token))
