"""The baseline of captioning: the caption of the training image with the nearest pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.tasks.captioning.model.captions import Caption
from anamnesis.tasks.captioning.model.images import CaptionedImages
from anamnesis.tasks.captioning.settings import DigitImages

# Images in a batch: its distances to 24,000 training images take 20 MB.
BATCH = 100


class NearestCaptioner:
    """Gives the caption of the training image at the smallest Euclidean distance, the first among equally near ones.

    Args:
        known: the training images.
        images: the experiment's `images` block.
        card: the model's card.
    """

    def __init__(self, known: CaptionedImages, images: DigitImages, card: dict[str, Any] | None = None) -> None:
        self.images, self.card, self._captions = images, card or {}, known.captions()
        # Whole numbers below 2 ** 53: sums and products of them are exact, in whatever order.
        self._pixels = _flatten(known.pixels)
        self._squares = (self._pixels**2).sum(1)

    def caption(
        self,
        pixels: NDArray[np.uint8],
        beam: int,
        n_best: int = 1,
        progress: Callable[[int], object] = lambda count: None,
    ) -> list[list[Caption]]:
        """One caption of each image (images, HEIGHT, width), whatever the beam."""
        results = []
        for first in range(0, len(pixels), BATCH):
            batch = _flatten(pixels[first : first + BATCH])
            # |a - b|^2 = |b|^2 - 2 a b + |a|^2, and |a|^2 is the same for every training image b.
            nearest = (self._squares - 2 * batch @ self._pixels.T).argmin(1)
            results += [[Caption(self._captions[index], None)] for index in nearest.tolist()]
            progress(len(batch))
        return results


def _flatten(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return pixels.reshape(len(pixels), -1).astype(np.float64)
