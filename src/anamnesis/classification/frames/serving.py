"""What a registered classifier of films answers: a GIF file as text in, which digit moves where out."""

import base64
import binascii
from typing import Any

import numpy as np

from anamnesis.classification.frames import gif, saved
from anamnesis.classification.frames.films import make
from anamnesis.classification.frames.settings import Films
from anamnesis.errors import AnamnesisError
from anamnesis.tokens.images import DARKEST, Images

load = saved.load


RING = ["..####..", ".##..##.", ".#....#.", ".#....#.", ".#....#.", ".#....#.", ".##..##.", "..####.."]


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A film that can be shown to a model, a drawn 0, and the options, of which there are none."""
    settings = Films.model_validate(card["films"])
    pixels = np.array([[DARKEST * (pixel == "#") for pixel in row] for row in RING], np.uint8)
    [film] = make(Images(pixels[None], np.zeros(1, np.uint8)), 1, settings, 0).films
    return [base64.b64encode(gif.written(film, 1)).decode("ascii")], {}


def answer(model: Any, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The likeliest label of each film, such as "7 up-left".

    Args:
        texts: GIF files in base64.
        options: there are none.

    Raises:
        AnamnesisError: a text is no base64, or no film that the model can be shown.
    """
    films = [gif.parsed(_decoded(text, number), model.size, f"film {number}") for number, text in enumerate(texts, 1)]
    return [ranked[0][0] for ranked in model.of_films(films)]


def _decoded(text: str, number: int) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise AnamnesisError(f"film {number}: not a GIF file in base64") from None
