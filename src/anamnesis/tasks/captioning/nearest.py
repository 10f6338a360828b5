"""The floor under every captioning network: the caption of the training image that is nearest by its pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.tasks.captioning.captions import Caption
from anamnesis.tasks.captioning.rows import Captioned
from anamnesis.tasks.captioning.settings import Rows

# Images that are compared at once: a chunk's distances to 24,000 training images take 20 MB.
CHUNK = 100


class Nearest:
    """Captions by the training image at the smallest Euclidean distance, of equally near ones the first.

    Args:
        known: the training images with their readings.
        rows: the experiment's block.
        card: the model's.
    """

    def __init__(self, known: Captioned, rows: Rows, card: dict[str, Any] | None = None) -> None:
        self.known, self.rows, self.card = known, rows, card or {}
        # Whole numbers below 2 ** 53: sums and products of them are exact, in whatever order.
        self._pixels = _flat(known.pixels)
        self._squares = (self._pixels**2).sum(1)

    def caption(
        self,
        pixels: NDArray[np.uint8],
        beam: int,
        n_best: int = 1,
        progress: Callable[[int], object] = lambda images: None,
    ) -> list[list[Caption]]:
        """One caption of each image (images, HEIGHT, width), whatever the beam."""
        captions = self.known.captions()
        found = []
        for first in range(0, len(pixels), CHUNK):
            chunk = _flat(pixels[first : first + CHUNK])
            # Without the image's own square, which is the same for all it is compared to.
            places = (self._squares - 2 * chunk @ self._pixels.T).argmin(1)
            found += [[Caption(captions[place], None)] for place in places.tolist()]
            progress(len(chunk))
        return found


def _flat(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return pixels.reshape(len(pixels), -1).astype(np.float64)
