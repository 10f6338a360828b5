"""Captions as ids: digits spelled as words, letter by letter."""

from collections.abc import Sequence
from string import ascii_lowercase

import numpy as np
from numpy.typing import NDArray

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ALPHABET = " " + ascii_lowercase
START, END = len(ALPHABET), len(ALPHABET) + 1
SIZE = len(ALPHABET) + 2
# Letters of the longest word, and the space or the end behind it.
WIDEST = max(map(len, WORDS)) + 1


def spelled(digits: NDArray[np.integer], counts: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The readings of rows of digits.

    Args:
        digits: (rows, most digits), from 0 to 9; behind a row's digits anything.
        counts: digits of each row, (rows,), at least 1.

    Returns:
        Ids (rows, most digits * WIDEST), each row padded with END behind the END that belongs to it; and the letters
        of each reading with that END, (rows,).
    """
    table = np.full((len(WORDS), WIDEST), -1)
    for digit, word in enumerate(WORDS):
        table[digit, : len(word) + 1] = [*encode(word), ALPHABET.index(" ")]
    inside = np.arange(digits.shape[1]) < counts[:, None]
    ids = np.where(inside[:, :, None], table[np.where(inside, digits, 0)], -1).reshape(len(digits), -1)
    lengths = (ids >= 0).sum(1)
    # Letters first, in their order; what is left of the words' width goes behind them.
    ids = np.take_along_axis(ids, np.argsort(ids < 0, axis=1, kind="stable"), 1)
    ids[np.arange(ids.shape[1]) >= lengths[:, None] - 1] = END
    return ids, lengths


def encode(text: str) -> list[int]:
    """The ids of a text of lower-case letters and spaces."""
    return [ALPHABET.index(letter) for letter in text]


def decode(ids: Sequence[int]) -> str:
    """The text of ids; a start or an end within, which a network may write, is no letter."""
    return "".join(ALPHABET[each] for each in ids if each < len(ALPHABET))
