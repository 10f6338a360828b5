"""Which places of a text can be blanks, and the text cut into its sentences."""

from math import log, log1p
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError

if TYPE_CHECKING:
    from anamnesis.data.tokenizers.base import Tokenizer


def candidates(tokenizer: "Tokenizer") -> NDArray[np.bool_]:
    """For each token (vocabulary,) whether a blank can hide it: it has a letter or digit.

    Punctuation marks, `<s>` and `</s>` are read, but neither hidden nor guessed. Nor is `<unk>`: a model that were
    praised for it would guess that a word is a rare one. What it pays for such words says `Unknown`.

    Raises:
        AnamnesisError: the tokens are not words, or none of them can be hidden.
    """
    if tokenizer.kind != "words":
        raise AnamnesisError(f"tokens: found kind {tokenizer.kind}; allowed: words")
    result = np.array([any(map(str.isalnum, token)) for token in tokenizer.tokens])
    special = (tokenizer.unknown_id, tokenizer.start_id, tokenizer.end_id)
    result[[token for token in special if token is not None]] = False
    if not result.any():
        raise AnamnesisError("tokens: the vocabulary holds no word to hide")
    return result


def sentences(ids: NDArray[np.integer], tokenizer: "Tokenizer") -> list[NDArray[np.int64]]:
    """The sentences of a text of ids (tokens,), each from its `<s>` to its `</s>`."""
    starts = np.flatnonzero(ids == tokenizer.start_id)
    return [part.astype(np.int64) for part in np.split(ids, starts)[1:]]


def blanks(sentence: NDArray[np.int64], hidden: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The places of a sentence (tokens,) that can be blanks, by `candidates`."""
    return np.flatnonzero(hidden[sentence])


class Unknown(NamedTuple):
    """The blanks of a split whose words the vocabulary lacks, and what every model of the store pays for them.

    Which words are asked depends on the text alone. A model knows only the words of its vocabulary, so each blank is
    answered in two steps: whether its word is a known one, at the training split's `rate`, the same everywhere; and
    which one. A known word is told by the model, an unknown one is spelled, as in `bits.py`. So a vocabulary gains
    nothing by being small.

    Attributes:
        rate: the probability that a blank hides an unknown word.
        words: how many unknown words the split has.
        spelling: what it costs to spell them all, in nats.
    """

    rate: float
    words: int
    spelling: float

    def total(self, nats: float, known: int) -> float:
        """The nats of all blanks of a split, from those of its `known` words given that they are known."""
        unknown = self.words * -log(self.rate) if self.words else 0.0
        return nats - known * log1p(-self.rate) + unknown + self.spelling


NONE = Unknown(0.0, 0, 0.0)
"""There is no unknown word, and none is expected."""


def unknown_words(store: Path, split: str, stats: dict[str, Any], hidden: NDArray[np.bool_]) -> Unknown:
    """The unknown words of a split of a token store, and their price.

    The rate is that of the training split: its unknown words, and as many more as it holds words a single time, which
    is how often one meets a word for the first time (Good 1953).

    Args:
        stats: content of the store's stats.json.
        hidden: as `candidates` returns it.

    Raises:
        AnamnesisError: a file of the store is missing or damaged.
    """
    from anamnesis.data.stores.store import open_split, open_unknown
    from anamnesis.data.text.blocks import CODEPOINTS
    from anamnesis.data.text.leftovers import spelling

    train = np.bincount(open_split(store, "train"), minlength=len(hidden))[hidden]
    missing = int(np.count_nonzero(open_unknown(store, "train")))
    blanks = int(train.sum()) + missing
    rate = (missing + int(np.count_nonzero(train == 1)) + 0.5) / (blanks + 1)
    lengths = np.asarray(open_unknown(store, split), np.int64)
    count = int(np.count_nonzero(lengths))
    price = spelling(int(lengths.sum()), count, stats["alphabet"])
    unseen = stats["splits"][split]["unseen_characters"] * log(CODEPOINTS)
    return Unknown(min(rate, blanks / (blanks + 1)), count, price + unseen)


def asked_places(ids: NDArray[np.integer], lengths: NDArray[np.integer], tokenizer: "Tokenizer") -> NDArray[np.int64]:
    """Where the words of a text stand among its tokens, known or not: the same in every vocabulary.

    Args:
        ids: the text (tokens,).
        lengths: of its unknown words, as `open_unknown` returns them.
    """
    asked = candidates(tokenizer)[ids]
    asked[ids == tokenizer.unknown_id] = lengths > 0
    return np.flatnonzero(asked)
