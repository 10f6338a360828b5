"""What a served video classifier answers: a GIF file in base64 in, which digit moves where out."""

import base64
import binascii
from typing import Any

import numpy as np

from anamnesis import deadline, serving
from anamnesis.data.stores.images import DARKEST, Images
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.video.evaluation import gif
from anamnesis.tasks.video.loading import VideoClassifier
from anamnesis.tasks.video.model.videos import draw_videos
from anamnesis.tasks.video.settings import Videos

# Texts are files in base64.
FILES = True
RING = ["..####..", ".##..##.", ".#....#.", ".#....#.", ".#....#.", ".#....#.", ".##..##.", "..####.."]


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A video that a model can classify, a drawn 0, and the options with their default values."""
    settings = Videos.model_validate(card["videos"])
    pixels = np.array([[DARKEST * (pixel == "#") for pixel in row] for row in RING], np.uint8)
    [video] = draw_videos(Images(pixels[None], np.zeros(1, np.uint8)), 1, settings, 0).videos
    return [base64.b64encode(gif.encode(video, 1)).decode("ascii")], {"top": 0}


def answer(model: VideoClassifier, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The most probable label of each video, such as "7 up-left"; an empty text has an empty answer.

    Args:
        texts: GIF files in base64.
        options: `top`, how many labels to give with their probabilities, as a JSON object; 0: the most probable label
            alone.

    Raises:
        AnamnesisError: a text is not base64, or not a video that the model can classify, or an option is not allowed.
    """
    top = serving.complete(options, example(model.card)[1])["top"]
    answers = {}
    for number, text in serving.number_texts(texts).items():
        deadline.check()
        video = gif.decode(_decode(text, number), model.size, f"video {number}")
        answers[number] = serving.ranking(model.classify(video), top)
    return serving.place(answers, texts)


def _decode(text: str, number: int) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise AnamnesisError(f"video {number}: not a GIF file in base64") from None
