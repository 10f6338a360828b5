"""Numbers of words: words are numbered in the order in which they first appear in the training split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.data.tokenizers.words import word_tokens
from anamnesis.errors import AnamnesisError

# The number of a word that the training split lacks.
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

    def nearest(self, forecasts: NDArray[np.float64]) -> NDArray[np.int64]:
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
