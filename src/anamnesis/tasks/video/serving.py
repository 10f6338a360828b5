"""What a registered classifier of films answers: a GIF file as text in, which digit moves where out."""

import base64
import binascii
from typing import Any

import numpy as np

from anamnesis import deadline, serving
from anamnesis.data.stores.images import DARKEST, Images
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.video import gif, saved
from anamnesis.tasks.video.films import make
from anamnesis.tasks.video.settings import Films

load = saved.load
# Texts are files as base64.
FILES = True


RING = ["..####..", ".##..##.", ".#....#.", ".#....#.", ".#....#.", ".#....#.", ".##..##.", "..####.."]


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A film that can be shown to a model, a drawn 0, and the options with their usual values."""
    settings = Films.model_validate(card["films"])
    pixels = np.array([[DARKEST * (pixel == "#") for pixel in row] for row in RING], np.uint8)
    [film] = make(Images(pixels[None], np.zeros(1, np.uint8)), 1, settings, 0).films
    return [base64.b64encode(gif.written(film, 1)).decode("ascii")], {"top": 0}


def answer(model: Any, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The likeliest label of each film, such as "7 up-left"; an empty text has an empty one.

    Args:
        texts: GIF files in base64.
        options: `top`, how many labels to give with their probabilities, as a JSON object; 0: the likeliest label
            alone.

    Raises:
        AnamnesisError: a text is no base64, or no film that the model can be shown, or an option is not allowed.
    """
    top = serving.complete(options, example(model.card)[1])["top"]
    answers = {}
    for number, text in serving.numbered(texts).items():
        deadline.check()
        film = gif.parsed(_decoded(text, number), model.size, f"film {number}")
        answers[number] = serving.ranking(model.of_films([film])[0], top)
    return serving.place(answers, texts)


def _decoded(text: str, number: int) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise AnamnesisError(f"film {number}: not a GIF file in base64") from None
