"""What a served captioner answers: an image file in base64 in, its caption out."""

import base64
import binascii
import io
from typing import Any

import numpy as np

from anamnesis import deadline, serving
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.captioning import pictures
from anamnesis.tasks.captioning.model.captions import Captioner

# Texts are files in base64.
FILES = True


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """An image that a model can caption, a drawn 7 and 1, and the options with their default values."""
    from PIL import Image, ImageDraw

    image = Image.new("L", (96, 48), "white")
    draw = ImageDraw.Draw(image)
    # Lines, because fonts differ between machines.
    draw.line([(20, 8), (40, 8), (28, 40)], fill="black", width=5)
    draw.line([(64, 8), (64, 40)], fill="black", width=5)
    file = io.BytesIO()
    image.save(file, "PNG")
    return [base64.b64encode(file.getvalue()).decode()], serving.allowed_options({"beam": card["search"]["beam"]})


def answer(model: Captioner, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The caption of each image; an empty text has an empty one.

    Args:
        texts: image files in base64.
        options: `beam`, the number of hypotheses that the search follows.

    Raises:
        AnamnesisError: a text is not base64, or not an image with digits, or an option is not allowed.
    """
    beam = serving.complete(options, example(model.card)[1])["beam"]
    images = {}
    for number, text in serving.number_texts(texts).items():
        deadline.check()
        try:
            content = base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            raise AnamnesisError(f"text {number}: not an image file in base64") from None
        images[number] = pictures.read_image(content, f"image {number}", model.images.longest)
    if not images:
        return serving.place({}, texts)
    results = model.caption(np.stack(list(images.values())), beam)
    return serving.place({number: best[0].text for number, best in zip(images, results, strict=True)}, texts)
