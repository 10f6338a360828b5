"""The baseline: the caption of the training image with the smallest distance."""

from collections.abc import Callable

import numpy as np

from anamnesis.tasks.captioning.model.baselines import NearestCaptioner
from anamnesis.tasks.captioning.model.captions import Caption
from anamnesis.tasks.captioning.model.images import CaptionedImages
from anamnesis.tasks.captioning.settings import DigitImages


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
