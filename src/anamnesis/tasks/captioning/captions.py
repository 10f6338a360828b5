"""What every model that captions gives for an image, be it a network or a floor."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.captioning.settings import Rows

# Hypotheses of an image; more only take memory.
WIDEST_BEAM = 100


@dataclass(frozen=True)
class Caption:
    """A reading of an image; `score` is log-probability / length ** length_penalty, None where nothing is modelled."""

    text: str
    score: float | None


class Reader(Protocol):
    """A model that reads images; `card` is its card, `rows` the images it knows."""

    @property
    def card(self) -> dict[str, Any]: ...

    @property
    def rows(self) -> Rows: ...

    def caption(
        self,
        pixels: NDArray[np.uint8],
        beam: int,
        n_best: int = 1,
        progress: Callable[[int], object] = lambda images: None,
    ) -> list[list[Caption]]:
        """The best captions of each image (images, HEIGHT, width), best first: at most `n_best`."""
        ...


def check_beam(beam: int, n_best: int) -> None:
    """Refuse what no search can do.

    Raises:
        AnamnesisError: `beam` is not from 1 to `WIDEST_BEAM`, or `n_best` not from 1 to `beam`.
    """
    if not 1 <= beam <= WIDEST_BEAM:
        raise AnamnesisError(f"beam: found {beam}; allowed: from 1 to {WIDEST_BEAM}")
    if not 1 <= n_best <= beam:
        raise AnamnesisError(f"n-best: found {n_best}; allowed: from 1 to the beam's width, which is {beam}")
