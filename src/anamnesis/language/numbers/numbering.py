"""Numbering words in the order in which they first appear, and cutting a text of numbers into windows."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError

if TYPE_CHECKING:
    from anamnesis.tokens.base import Tokenizer

UNSEEN = 0
"""The number of a word that the training split does not hold."""


def first_appearance(ids: NDArray[np.integer], tokenizer: "Tokenizer") -> NDArray[np.int64]:
    """The ids (words,) of all different words of a text, in the order of their first appearance.

    The word at index i has the number i + 1. Tokens without a letter or digit are punctuation, not words; nor are
    `<unk>`, `<s>` and `</s>`.

    Raises:
        AnamnesisError: the tokens are not words, or the text holds none.
    """
    if tokenizer.kind != "words":
        raise AnamnesisError(f"tokens: found kind {tokenizer.kind}; allowed: words")
    different, places = np.unique(ids, return_index=True)
    words = different[_are_words(tokenizer)[different]]
    order = np.argsort(places[_are_words(tokenizer)[different]])
    if len(words) == 0:
        raise AnamnesisError("tokens: the training split holds no word to number")
    return words[order].astype(np.int64)


def numbers(ids: NDArray[np.integer], words: NDArray[np.int64], tokenizer: "Tokenizer") -> NDArray[np.int64]:
    """The numbers (words of the text,) of a text's words, punctuation left out; `UNSEEN` where a word has none.

    Args:
        ids: the text (tokens,).
        words: as `first_appearance` returns them.
    """
    number_of = np.full(tokenizer.vocabulary_size, UNSEEN)
    number_of[words] = np.arange(1, len(words) + 1)
    counted = _are_words(tokenizer)
    if tokenizer.unknown_id is not None:
        # What it stands for cannot be told; a word it must be, because marks are few and all known.
        counted[tokenizer.unknown_id] = True
    return number_of[ids[counted[ids]]]


def windows(row: NDArray[np.int64], window: int) -> NDArray[np.int64]:
    """All windows of a text of numbers, each with the number that follows it as its last column.

    Those that hold an unseen word are left out.

    Args:
        row: (words,).

    Returns:
        (windows, window + 1), in the order of the text.

    Raises:
        AnamnesisError: there is none.
    """
    found = np.empty((0, window + 1), np.int64)
    if len(row) > window:
        found = np.lib.stride_tricks.sliding_window_view(row, window + 1)
        found = found[(found != UNSEEN).all(axis=1)]
    if len(found) == 0:
        raise AnamnesisError(f"model.window: found {window}, but no {window + 1} known words of the text in a row")
    return found


def _are_words(tokenizer: "Tokenizer") -> NDArray[np.bool_]:
    """For each token (vocabulary,) whether it is a word."""
    result = np.array([any(map(str.isalnum, token)) for token in tokenizer.tokens])
    special = (tokenizer.unknown_id, tokenizer.start_id, tokenizer.end_id)
    result[[token for token in special if token is not None]] = False
    return result
