"""Series of word numbers: the words of a text that have a number, and the windows before them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.stores.store import open_split
from anamnesis.data.tokenizers import tokenizer as tokenizers
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting.model.examples import Data, Examples
from anamnesis.tasks.forecasting.model.numbering import UNSEEN, number_words

TOKENIZER = "tokenizer.json"


def open_words(store: Path, window: int) -> Data:
    """The training and validation examples of a series of word numbers.

    Numbers are divided by the number of words, not standardised.

    Raises:
        AnamnesisError: the tokens are not words, or no window of a split has a number for each of its words.
    """
    ids = np.asarray(open_split(store, "train"))
    words = number_words(ids, tokenizers.load(store / TOKENIZER))
    train = words.numbers(ids)
    average = mean_number(train)
    valid = word_targets(words.numbers(np.asarray(open_split(store, "valid"))), window)
    missed = np.square(valid.numbers[~valid.whole] - average)
    examples = word_targets(train, window).examples()
    return Data(examples, valid.examples(), average, 0.0, float(len(words)), words, missed)


def mean_number(row: NDArray[np.int64]) -> float:
    """The mean of the numbers of a text (words,), unseen words left out."""
    return float(row[row != UNSEEN].mean())


class Targets(NamedTuple):
    """The words of a split that have a number, each a target.

    Attributes:
        numbers: their numbers, (targets,).
        places: their places among all words of the split, (targets,).
        before: the number of the word before each; `UNSEEN` where it has none or is missing, (targets,).
        whole: whether a whole window of numbered words precedes the target, bool, (targets,).
        windows: the numbers in these whole windows, (whole windows, window).
    """

    numbers: NDArray[np.int64]
    places: NDArray[np.int64]
    before: NDArray[np.int64]
    whole: NDArray[np.bool_]
    windows: NDArray[np.int64]

    def examples(self) -> Examples:
        """The targets with a whole window.

        Raises:
            AnamnesisError: there is none.
        """
        if not self.whole.any():
            window = self.windows.shape[1]
            raise AnamnesisError(f"model.window: found {window}, but no {window + 1} known words of the text in a row")
        return Examples(self.windows.astype(np.float64), self.numbers[self.whole].astype(np.float64))


def word_targets(row: NDArray[np.int64], window: int) -> Targets:
    """The words of a text of numbers (words,) that have one, with the windows before them.

        row    3 - 1 2 1      targets       3  1  2  1
                              windows of 2        -  1 2     (- unseen: the window is not whole)

    Raises:
        AnamnesisError: no word has a number.
    """
    places = np.flatnonzero(row != UNSEEN)
    if len(places) == 0:
        raise AnamnesisError("found no word that the training split holds")
    padded = np.concatenate([np.full(window, UNSEEN), row])
    before = np.lib.stride_tricks.sliding_window_view(padded, window)[places]
    whole = (before != UNSEEN).all(axis=1)
    return Targets(row[places], places, before[:, -1], whole, before[whole])
