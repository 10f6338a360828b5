"""Which tokens of a text can be blanks, the sentences of a text, and the cost of words that no model knows."""

from math import log, log1p
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.stores.store import open_split, open_unknown
from anamnesis.data.text.blocks import CODEPOINTS
from anamnesis.data.text.leftovers import spelling
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.data.tokenizers.words import word_tokens
from anamnesis.errors import AnamnesisError

TOKENIZER = "tokenizer.json"


def find_candidates(tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """For each token (vocabulary,) whether it can fill a blank: the words.

    Models read punctuation marks, `<s>`, `</s>` and `<unk>`, but never fill a blank with them: a model that gained by
    `<unk>` would learn to guess that a word is rare. `Unknown` states the cost of unknown words.

    Raises:
        AnamnesisError: the tokens are not words, or none of them is a word.
    """
    candidates = word_tokens(tokenizer)
    if not candidates.any():
        raise AnamnesisError("tokens: the vocabulary holds no word to hide")
    return candidates


def split_sentences(ids: NDArray[np.integer], tokenizer: Tokenizer) -> list[NDArray[np.int64]]:
    """The sentences (tokens,) of a text of ids (tokens,), each from its `<s>` to its `</s>`."""
    starts = np.flatnonzero(ids == tokenizer.start_id)
    return [part.astype(np.int64) for part in np.split(ids, starts)[1:]]


def blank_places(sentence: NDArray[np.int64], candidates: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The places (blanks,) of a sentence (tokens,) that can be blanks."""
    return np.flatnonzero(candidates[sentence])


class Unknown(NamedTuple):
    """The blanks of a split whose words the vocabulary lacks, and their cost, the same for every model of the store.

    The text alone decides which words are blanks, but a model knows only the words of its vocabulary. So each blank
    has two steps: whether its word is a known one, with the training split's `rate` everywhere; and which one. The
    model gives the probability of a known word; an unknown word is spelled. So a small vocabulary gains nothing.

    Attributes:
        rate: the probability that a blank hides an unknown word.
        words: the number of unknown words in the split.
        spelling: the cost of spelling them all, in nats.
    """

    rate: float
    words: int
    spelling: float

    def total(self, nats: float, known: int) -> float:
        """The nats of all blanks of a split, from the nats of its `known` words given that they are known."""
        unknown = self.words * -log(self.rate) if self.words else 0.0
        return nats - known * log1p(-self.rate) + unknown + self.spelling


NONE = Unknown(0.0, 0, 0.0)
"""No unknown word occurs, and none is expected."""


def unknown_words(store: Path, split: str, stats: dict[str, Any], candidates: NDArray[np.bool_]) -> Unknown:
    """The unknown words of a split of a token store, and their cost.

    The rate is that of the training split: its unknown words, and as many more as words that it holds a single time,
    because that is how often a reader meets a new word (Good 1953).

    Args:
        stats: content of the store's stats.json.

    Raises:
        AnamnesisError: a file of the store is missing or damaged.
    """
    counts = np.bincount(open_split(store, "train"), minlength=len(candidates))[candidates]
    missing = int(np.count_nonzero(open_unknown(store, "train")))
    blanks = int(counts.sum()) + missing
    rate = (missing + int(np.count_nonzero(counts == 1)) + 0.5) / (blanks + 1)
    lengths = np.asarray(open_unknown(store, split), np.int64)
    words = int(np.count_nonzero(lengths))
    cost = spelling(int(lengths.sum()), words, stats["alphabet"])
    cost += stats["splits"][split]["unseen_characters"] * log(CODEPOINTS)
    return Unknown(min(rate, blanks / (blanks + 1)), words, cost)
