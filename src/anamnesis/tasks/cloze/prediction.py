"""The words for the blank of a text, on the command line and from the server."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import deadline, serving
from anamnesis.data.tokenizers.base import Tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.cloze.model.cloze_model import BLANK, ClozeModel

_BLANK = re.compile(r"__+")
# Stands for the blank while a text is cut into sentences and words. For the rules of both it is a word that may begin
# a sentence.
_WORD = " Word "


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A text with a blank that a model can fill, and the options with their default values."""
    return [f"I will {BLANK} a new phone."], {"top": 0}


def answer(model: ClozeModel, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The most probable word for the blank of each text; an empty text has an empty answer.

    Args:
        options: `top`, how many words to give with their probabilities, as a JSON object; 0: the most probable word
            alone.

    Raises:
        AnamnesisError: a text does not hold exactly one blank, or an option is not allowed.
    """
    top = serving.complete(options, example(model.card)[1])["top"]
    words = min(top, int(model.candidates.sum())) or 1
    answers = {}
    for number, text in serving.number_texts(texts).items():
        deadline.check()
        try:
            answers[number] = serving.ranking(fill(model, text, words), top)
        except AnamnesisError as error:
            raise AnamnesisError(f"text {number}: {str(error).removeprefix('text: ')}") from None
    return serving.place(answers, texts)


def fill(model: ClozeModel, text: str, top: int = 5) -> list[tuple[str, float]]:
    """The `top` most probable words for the blank of a text, the most probable first, with their probabilities.

    The model reads only the sentence that holds the blank, and unknown words as `<unk>`.

    Args:
        text: with exactly one blank, written as two or more underscores.

    Raises:
        AnamnesisError: the text is empty or does not hold exactly one blank, or `top` is out of range.
    """
    words = np.count_nonzero(model.candidates)
    if not 1 <= top <= words:
        raise AnamnesisError(f"top: found {top}; allowed: 1 to {words:,}, the words the model knows")
    sentence, place = parse(model.tokenizer, text)
    return model.guesses(model.predict(sentence, np.array([place]))[0], top)


def parse(tokenizer: Tokenizer, text: str) -> tuple[NDArray[np.int64], int]:
    """The sentence of a text that holds the blank, and the place of the blank in it.

    Args:
        text: with exactly one blank, written as two or more underscores.

    Returns:
        Ids (tokens,) from `<s>` to `</s>`, `<unk>` for the blank and for unknown words; and the index of the blank.

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
    # The blank is the last token before the `</s>` of the text up to it.
    place = len(_ids(tokenizer, parts[0] + _WORD)) - 2
    ids = _ids(tokenizer, _WORD.join(parts))
    assert tokenizer.unknown_id is not None
    ids[place] = tokenizer.unknown_id
    start = int(np.flatnonzero(ids[:place] == tokenizer.start_id)[-1])
    end = place + int(np.flatnonzero(ids[place:] == tokenizer.end_id)[0])
    return ids[start : end + 1], place - start


def _ids(tokenizer: Tokenizer, text: str) -> NDArray[np.int64]:
    return np.concatenate([chunk.ids for chunk in tokenizer.chunks([text])]).astype(np.int64)
