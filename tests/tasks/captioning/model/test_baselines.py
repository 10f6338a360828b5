"""The baseline: the caption of the training image with the smallest distance."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from listener import Recorder

from anamnesis import models
from anamnesis.errors import AnamnesisError
from anamnesis.stages.train import train
from anamnesis.tasks.captioning.model.baselines import NearestCaptioner
from anamnesis.tasks.captioning.model.captions import Caption
from anamnesis.tasks.captioning.model.images import CaptionedImages, open_captioned
from anamnesis.tasks.captioning.settings import DigitImages, Experiment


def test_the_caption_is_that_of_the_nearest_training_image(images: Callable[..., CaptionedImages]) -> None:
    known, asked = images(40), images(130).pixels
    found = NearestCaptioner(known, DigitImages()).caption(asked, 3)
    captions = known.captions()
    for pixels, [best] in zip(asked, found, strict=True):
        distances = [((pixels.astype(int) - other.astype(int)) ** 2).sum() for other in known.pixels]
        assert best == Caption(captions[int(np.argmin(distances))], None)
    # The first of two equal images counts.
    twice = CaptionedImages(
        np.concatenate([known.pixels] * 2), np.concatenate([known.digits, known.digits[::-1]]), np.tile(known.counts, 2)
    )
    assert NearestCaptioner(twice, DigitImages()).caption(asked, 1) == found


def test_a_model_folder_holds_the_training_images(
    project: Path, digits: Path, experiment: Callable[..., Experiment]
) -> None:
    settings, folder = experiment("nearest"), project / "models" / "mine"
    train("mine", settings, project, Recorder())
    known = open_captioned(digits, "train", settings.images)
    # Each training image is nearest to itself.
    assert [best[0].text for best in models.load(folder).caption(known.pixels, 1)] == known.captions()
    card, weights = models.read(folder)
    for name, value in (("pixels", weights["pixels"][1:]), ("digits", weights["digits"] + 9), ("counts", known.counts)):
        models.save(folder, {**weights, name: value}, card, {})
        with pytest.raises(AnamnesisError, match="the arrays are not the images that model"):
            models.load(folder)
