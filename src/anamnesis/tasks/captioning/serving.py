"""What a registered captioning model answers: an image file in, its reading out."""

import base64
import binascii
import io
from typing import Any

import numpy as np

from anamnesis import deadline, serving
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.captioning import saved

load = saved.load
# Texts are files as base64.
FILES = True


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """An image that can be asked of a model, as base64, and the options it takes with their usual values."""
    from PIL import Image, ImageDraw

    image = Image.new("L", (96, 48), "white")
    draw = ImageDraw.Draw(image)
    # A seven and a one: fonts differ from machine to machine, lines do not.
    draw.line([(20, 8), (40, 8), (28, 40)], fill="black", width=5)
    draw.line([(64, 8), (64, 40)], fill="black", width=5)
    file = io.BytesIO()
    image.save(file, "PNG")
    return [base64.b64encode(file.getvalue()).decode()], serving.allowed_options({"beam": card["search"]["beam"]})


def answer(model: Any, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The caption of each image; an empty text has an empty one.

    Args:
        texts: the content of image files, each as base64.
        options: `beam`, how many hypotheses are followed at once.

    Raises:
        AnamnesisError: a text is no base64 of an image with digits on it, or an option is not allowed.
    """
    from anamnesis.tasks.captioning import pictures

    _, usual = example(model.card)
    beam = serving.complete(options, usual)["beam"]
    images = {}
    for number, text in serving.numbered(texts).items():
        deadline.check()
        try:
            content = base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            raise AnamnesisError(f"text {number}: not an image file as base64") from None
        images[number] = pictures.read(content, f"image {number}", model.rows.longest)
    if not images:
        return serving.place({}, texts)
    found = model.caption(np.stack(list(images.values())), beam)
    return serving.place({number: best[0].text for number, best in zip(images, found, strict=True)}, texts)
