"""Captions as ids: digits as words, letter by letter."""

from collections.abc import Sequence
from string import ascii_lowercase

import numpy as np
from numpy.typing import NDArray

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ALPHABET = " " + ascii_lowercase
START, END = len(ALPHABET), len(ALPHABET) + 1
SIZE = len(ALPHABET) + 2
# Letters of the longest word and the space or the end after it.
WIDEST = max(map(len, WORDS)) + 1


def spell(digits: NDArray[np.integer], counts: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ids and the lengths of captions.

    Args:
        digits: the digits of each image, from 0 to 9, (images, most digits); entries from `counts` on are ignored.
        counts: how many digits each image shows, (images,), at least 1.

    Returns:
        Ids (images, most digits * WIDEST): the letters of a caption, then END to the full width; and the number of
        letters of each caption with one END, (images,).
    """
    table = np.full((len(WORDS), WIDEST), -1)
    for digit, word in enumerate(WORDS):
        table[digit, : len(word) + 1] = [*encode(word), ALPHABET.index(" ")]
    inside = np.arange(digits.shape[1]) < counts[:, None]
    ids = np.where(inside[:, :, None], table[np.where(inside, digits, 0)], -1).reshape(len(digits), -1)
    lengths = (ids >= 0).sum(1)
    # Letters come first, in their order; the padding of the words comes after them.
    ids = np.take_along_axis(ids, np.argsort(ids < 0, axis=1, kind="stable"), 1)
    ids[np.arange(ids.shape[1]) >= lengths[:, None] - 1] = END
    return ids, lengths


def encode(text: str) -> list[int]:
    """The ids of a text of lower-case letters and spaces."""
    return [ALPHABET.index(letter) for letter in text]


def decode(ids: Sequence[int]) -> str:
    """The text of ids without starts and ends."""
    return "".join(ALPHABET[each] for each in ids if each < len(ALPHABET))
