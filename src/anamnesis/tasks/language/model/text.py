"""Text as a language model reads it: the splits of a token store, and single sentences."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.stores.store import array_blocks, open_split, read_stats, text_blocks
from anamnesis.data.text.blocks import CODEPOINTS
from anamnesis.data.text.leftovers import spelling
from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.base import Tokenizer

TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a text in a model's tokens.

    Attributes:
        path: the file in the token store, for error messages.
        ids: (tokens,); may be a memory map.
        counts: the numbers of characters and unknown tokens, as in stats.json.
        alphabet: number of different characters in the training split.
    """

    path: Path
    ids: NDArray[np.integer]
    counts: dict[str, Any]
    alphabet: int

    @property
    def predictions(self) -> int:
        """The number of tokens after the first."""
        return max(len(self.ids) - 1, 0)

    def bits_per_character(self, nats: float) -> float:
        """The score that compares models with different tokens: (nats + price) / (characters * ln 2).

        Args:
            nats: sum of -ln p over all targets of the split.
        """
        return (nats + self.price()) / (self.counts["characters"] * log(2))

    def price(self) -> float:
        """The cost in nats of the text that the tokens leave out.

        Tokens that leave out more of a text are easier to predict: fewer words, or words in lower case. This price
        makes up for that. It is the length of a code that can be decoded, given the training split:

        - each unknown token is spelled (`leftovers.spelling`); words are spelled with an end;
        - words also pay `leftover_nats`: white space, capital letters that `lower` and marks that `delete` removed;
        - each character that the training split never contains is one of all code points.
        """
        counts = self.counts
        words = counts["unknown_tokens"] if "leftover_nats" in counts else 0
        spelled = spelling(counts["unknown_characters"], words, self.alphabet)
        return spelled + counts.get("leftover_nats", 0.0) + counts.get("unseen_characters", 0) * log(CODEPOINTS)


def read_split(store: Path, split: str, vocabulary: Tokenizer) -> Split:
    """A split of a token store in the tokens of a model.

    Where the model's tokenizer is not the store's, the text is tokenized again. The model then pays for the same number
    of characters, at prices of the store's training split, and for the characters that its own tokens leave out. An
    unknown character pays for its code point too where the store cannot tell whether its training split contains it.

    Args:
        store: the token store's folder.
        split: train, valid or test.
        vocabulary: the model's tokenizer.

    Raises:
        AnamnesisError: a file is missing or damaged, or the text cannot be restored from the ids of the store.
    """
    own, stats = tokenizer.load(store / TOKENIZER), read_stats(store)
    path, counts = store / f"{split}.npy", stats["splits"][split]
    if _same(own, vocabulary):
        return Split(path, open_split(store, split), counts, stats["alphabet"])
    text: Iterable[str]
    if own.kind == "characters":
        # An unknown character becomes U+FFFD, one for one, and so is unknown again.
        text = (own.decode(part.tolist()) for part in array_blocks(open_split(store, split)))
    else:
        text = text_blocks(store, split)
    parts: list[NDArray[np.integer]] = []
    unknown_characters = 0
    for chunk in vocabulary.chunks(text):
        parts.append(chunk.ids.astype(np.min_scalar_type(vocabulary.vocabulary_size)))
        unknown_characters += chunk.unknown_characters
    ids = np.concatenate(parts)
    new = {
        "characters": counts["characters"],
        "unknown_tokens": 0 if vocabulary.unknown_id is None else int(np.count_nonzero(ids == vocabulary.unknown_id)),
        "unknown_characters": unknown_characters,
        "unseen_characters": unknown_characters if own.unknown_id is None else counts["unseen_characters"],
    }
    return Split(path, ids, new, stats["alphabet"])


def first_token(vocabulary: Tokenizer) -> int | None:
    """The id after which a new text begins: `<s>`; else the line end, if it is a token; else None."""
    if vocabulary.start_id is not None:
        return vocabulary.start_id
    ids = vocabulary.encode("\n").tolist()
    return ids[0] if len(ids) == 1 and ids[0] != vocabulary.unknown_id else None


def encode_sentence(vocabulary: Tokenizer, sentence: str) -> NDArray[np.int64]:
    """The ids of a sentence (tokens,), after `first_token` where there is one."""
    ids = vocabulary.encode_sentence(sentence).astype(np.int64)
    first = first_token(vocabulary)
    if first is None or ids[:1].tolist() == [vocabulary.start_id]:
        return ids
    return np.concatenate(([first], ids))


def is_target(vocabulary: Tokenizer, ids: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether a model predicts each of ids[1:] (tokens - 1,): all but `<s>`."""
    return np.full(max(len(ids) - 1, 0), True) if vocabulary.start_id is None else ids[1:] != vocabulary.start_id


def _same(one: Tokenizer, other: Tokenizer) -> bool:
    """Whether two tokenizers give every text the same ids."""
    return (one.kind, one.tokens, one.state_dict()) == (other.kind, other.tokens, other.state_dict())
