"""What a served forecaster answers: the values of a series in, those that follow out; or words in, words out."""

import math
from typing import Any

import numpy as np

from anamnesis import serving
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting.model.examples import Values
from anamnesis.tasks.forecasting.model.forecaster import Forecaster, free_running
from anamnesis.tasks.forecasting.model.numbering import UNSEEN, Words

TEXT = (
    "It is a truth universally acknowledged , that a single man in possession of a good fortune must be in want of a "
    "wife ."
)


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A series, or a text, that a model can continue, and the options with their default values."""
    if card["series"] == "words":
        return [TEXT], serving.allowed_options({"steps": card["steps"]})
    return [", ".join(str(number) for number in range(1, card["model"].get("window", 1) + 1))], {"steps": 1}


def answer(model: Forecaster, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The values that follow each series, with commas between them, or the words that follow each text.

    An empty text has an empty answer.

    Args:
        texts: numbers with commas between them, in the order of time; for a model of word numbers, words, of which
            unknown ones are skipped. Each text has as many as the model's window, or more.
        options: `steps`, how many values or words to forecast.

    Raises:
        AnamnesisError: a text has too few values or words, or something else; or an option is not allowed.
    """
    steps = serving.complete(options, example(model.card)[1])["steps"]
    starts = [_window(model, number, text) for number, text in serving.number_texts(texts).items()]
    if not starts:
        return serving.place({}, texts)
    rows = free_running(model, np.array(starts), steps)
    words = model.words
    answers = [words.spell(row) if words else ", ".join(f"{value:.6g}" for value in row) for row in rows]
    return serving.place(dict(zip(serving.number_texts(texts), answers, strict=True)), texts)


def _window(model: Forecaster, number: int, text: str) -> Values:
    """The last values of a text, as many as the window."""
    series = _values(number, text) if model.words is None else _known_words(model.words, text)
    if len(series) < model.window:
        found = f"{len(series)} numbers" if model.words is None else f"{len(series)} known words"
        raise AnamnesisError(f"text {number}: found {found}; allowed: {model.window} or more")
    return series[-model.window :]


def _values(number: int, text: str) -> Values:
    values = []
    for cell in text.split(","):
        try:
            values.append(float(cell))
        except ValueError:
            values.append(math.nan)
        if not math.isfinite(values[-1]):
            raise AnamnesisError(f"text {number}: found {cell.strip()[:40]!r}; allowed: numbers with commas between")
    return np.array(values)


def _known_words(words: Words, text: str) -> Values:
    numbers = words.numbers(words.tokenizer.encode_document(text).ids)
    return numbers[numbers != UNSEEN].astype(np.float64)
