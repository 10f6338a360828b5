"""What every captioner offers, a network or a baseline."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from anamnesis.tasks.captioning.settings import DigitImages


class Caption(NamedTuple):
    """A caption of an image; `score` is log-probability / length ** length_penalty, or None for a baseline."""

    text: str
    score: float | None


class Captioner(Protocol):
    """A model that captions images of digits."""

    @property
    def card(self) -> dict[str, Any]:
        """The model's card."""
        ...

    @property
    def images(self) -> DigitImages:
        """The experiment's `images` block: `longest` decides the width of the images."""
        ...

    def caption(
        self,
        pixels: NDArray[np.uint8],
        beam: int,
        n_best: int = 1,
        progress: Callable[[int], object] = lambda count: None,
    ) -> list[list[Caption]]:
        """The best captions of each image, best first.

        Args:
            pixels: from 0, white, to 255, black, (images, HEIGHT, width).
            beam: hypotheses that the search follows; 1 is greedy search. A baseline ignores it.
            n_best: captions of each image, at most `beam`; a baseline gives one.
            progress: called with the number of images captioned since the last call.
        """
        ...
