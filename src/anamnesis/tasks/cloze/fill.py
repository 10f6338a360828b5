"""Filling the blank of a text that a user writes."""

import re
from math import exp
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.cloze.blanks import candidates
from anamnesis.tasks.cloze.model import ClozeModel

if TYPE_CHECKING:
    from anamnesis.data.tokenizers.base import Tokenizer

BLANK = "____"
_BLANK = re.compile(r"__+")
# Takes the blank's place while a text is cut into sentences and words: to the rules of both it is a word, and one that
# may begin a sentence.
_WORD = " Word "


def parse(tokenizer: "Tokenizer", text: str) -> tuple[NDArray[np.int64], int]:
    """The sentence of a text that holds the blank, and the place of the blank.

    Args:
        text: with exactly one blank, written as two or more underscores.

    Returns:
        Ids (tokens,) from `<s>` to `</s>`, `<unk>` for the blank and for words that are not known; and the index of
        the blank.

    Raises:
        AnamnesisError: the text is empty, or does not hold exactly one blank.
    """
    if not text.strip():
        raise AnamnesisError(f"text: found an empty one; allowed: one blank, as in 'I will {BLANK} a new phone'")
    parts = _BLANK.split(text)
    if len(parts) != 2:
        raise AnamnesisError(
            f"text: found {len(parts) - 1} blanks; allowed: one, two or more underscores long, as in "
            f"'I will {BLANK} a new phone'"
        )
    before = _ids(tokenizer, parts[0] + _WORD)
    place = len(before) - 2  # before its `</s>`
    ids = _ids(tokenizer, _WORD.join(parts))
    assert tokenizer.unknown_id is not None
    ids[place] = tokenizer.unknown_id
    start = int(np.flatnonzero(ids[:place] == tokenizer.start_id)[-1])
    end = place + int(np.flatnonzero(ids[place:] == tokenizer.end_id)[0])
    return ids[start : end + 1], place - start


def fill(model: ClozeModel, text: str, top: int = 5) -> list[tuple[str, float]]:
    """The words that a model thinks likeliest for the blank of a text, the likeliest first, with their probabilities.

    The sentence that holds the blank is read, and no other. Words that the training split does not hold are read as
    `<unk>`.

    Args:
        text: with exactly one blank, written as two or more underscores.
        top: how many words.

    Raises:
        AnamnesisError: the text is empty or does not hold exactly one blank, or `top` is out of range.
    """
    words = np.count_nonzero(candidates(model.tokenizer))
    if not 1 <= top <= words:
        raise AnamnesisError(f"top: found {top}; allowed: 1 to {words:,}, the words the model knows")
    sentence, place = parse(model.tokenizer, text)
    return guesses(model, model.predict(sentence, np.array([place]))[0], top)


def guesses(model: ClozeModel, log_probabilities: NDArray[np.float64], top: int) -> list[tuple[str, float]]:
    """The `top` likeliest words of a distribution (vocabulary,), equally likely ones in the order of their ids."""
    words = np.flatnonzero(candidates(model.tokenizer))
    order = words[np.argsort(-log_probabilities[words], kind="stable")[:top]]
    return [(model.tokenizer.tokens[index], exp(log_probabilities[index])) for index in order]


def _ids(tokenizer: "Tokenizer", text: str) -> NDArray[np.int64]:
    return np.concatenate([chunk.ids for chunk in tokenizer.chunks([text])]).astype(np.int64)
