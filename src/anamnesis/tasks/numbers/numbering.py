"""Numbering words in the order in which they first appear, and cutting a text of numbers into windows."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError

if TYPE_CHECKING:
    from anamnesis.data.tokenizers.base import Tokenizer

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


def mean(row: NDArray[np.int64]) -> float:
    """The mean number of a text of numbers (words,), of the words that have one."""
    return float(row[row != UNSEEN].mean())


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


class Targets(NamedTuple):
    """The words of a split that have a number, each a target, whatever the window.

    Attributes:
        places: where they stand among all words of the split (targets,).
        numbers: theirs (targets,).
        last: the number of the word before each, `UNSEEN` where it has none or nothing stands before it (targets,).
        whole: which of them have a whole window of numbered words before them: bool (targets,).
        windows: of those, the numbers before them (whole windows, window).
    """

    places: NDArray[np.int64]
    numbers: NDArray[np.int64]
    last: NDArray[np.int64]
    whole: NDArray[np.bool_]
    windows: NDArray[np.int64]


def targets(row: NDArray[np.int64], window: int) -> Targets:
    """Every word of a text of numbers that has one, with the window before it where that is whole.

    Args:
        row: (words,).

    Raises:
        AnamnesisError: no word has a number.
    """
    places = np.flatnonzero(row != UNSEEN)
    if len(places) == 0:
        raise AnamnesisError("found no word that the training split holds")
    padded = np.concatenate([np.full(window, UNSEEN), row])
    before = np.lib.stride_tricks.sliding_window_view(padded, window)[places]
    whole = (before != UNSEEN).all(axis=1)
    return Targets(places, row[places], before[:, -1], whole, before[whole])


def _are_words(tokenizer: "Tokenizer") -> NDArray[np.bool_]:
    """For each token (vocabulary,) whether it is a word."""
    result = np.array([any(map(str.isalnum, token)) for token in tokenizer.tokens])
    special = (tokenizer.unknown_id, tokenizer.start_id, tokenizer.end_id)
    result[[token for token in special if token is not None]] = False
    return result
