"""Which places of a text can be blanks, and the text cut into its sentences."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError

if TYPE_CHECKING:
    from anamnesis.tokens.base import Tokenizer


def candidates(tokenizer: "Tokenizer") -> NDArray[np.bool_]:
    """For each token (vocabulary,) whether a blank can hide it: it has a letter or digit.

    Punctuation marks, `<s>` and `</s>` are read, but neither hidden nor guessed. Nor is `<unk>`: which of many words
    stood there cannot be told, so that a model would be praised for guessing that it is a rare one.

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
