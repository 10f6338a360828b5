"""Series of word numbers: words are numbered in the order in which they first appear in the training split."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.stores.store import open_split
from anamnesis.data.tokenizers import tokenizer as tokenizers
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.data.tokenizers.words import word_tokens
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting.model.examples import Data, Examples, Values

TOKENIZER = "tokenizer.json"
# The number of a word that the training split does not hold.
UNSEEN = 0


@dataclass(frozen=True, eq=False)
class Words:
    """The words that have a number.

    Attributes:
        tokenizer: the tokenizer of the token store.
        ids: the token of each word, int64, (words,); the word at index i has the number i + 1.
    """

    tokenizer: Tokenizer
    ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def numbers(self, ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """The numbers (words of the text,) of the words of a text (tokens,), `UNSEEN` for words without a number.

        Tokens without a letter or digit are punctuation, not words; nor are `<s>` and `</s>`. `<unk>` counts as a word,
        because marks are few and all known.
        """
        number_of = np.full(self.tokenizer.vocabulary_size, UNSEEN)
        number_of[self.ids] = np.arange(1, len(self) + 1)
        counted = word_tokens(self.tokenizer)
        if self.tokenizer.unknown_id is not None:
            counted[self.tokenizer.unknown_id] = True
        return number_of[ids[counted[ids]]]

    def nearest(self, forecasts: Values) -> NDArray[np.int64]:
        """The numbers of words nearest to forecasts of any shape."""
        return np.clip(np.rint(forecasts), 1, len(self)).astype(np.int64)

    def spell(self, numbers: NDArray[np.number]) -> str:
        """The words with these numbers (words,), a space between two."""
        return " ".join(self.tokenizer.tokens[token] for token in self.ids[numbers.astype(np.int64) - 1])


def number_words(ids: NDArray[np.integer], tokenizer: Tokenizer) -> Words:
    """Number the words of a text (tokens,) in the order of their first appearance.

    Raises:
        AnamnesisError: the tokens are not words, or the text holds none.
    """
    different, places = np.unique(ids, return_index=True)
    words = word_tokens(tokenizer)[different]
    if not words.any():
        raise AnamnesisError("tokens: the training split holds no word to number")
    return Words(tokenizer, different[words][np.argsort(places[words])].astype(np.int64))


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
