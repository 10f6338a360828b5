"""The model that tells which digit moves where: the network, and the films it is given."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anamnesis.tasks.video import gif
from anamnesis.tasks.video.films import CLASSES
from anamnesis.tasks.video.network import FilmNetwork

# Films that the network sees at once.
BATCH = 100


class Classifier:
    """Tells the labels of films.

    Args:
        card: the model's card, model.json.
        size: height and width of the field it knows.
        network: in evaluation mode.
    """

    def __init__(self, card: dict[str, Any], size: int, network: FilmNetwork) -> None:
        self.card, self.size, self.network = card, size, network

    def probabilities(
        self, films: NDArray[np.uint8], progress: Callable[[int], object] = lambda films: None
    ) -> NDArray[np.float32]:
        """The probability of each label (films, labels), in the order of `films.CLASSES`.

        Args:
            films: from 0, white, to 255, black, (films, frames, size, size).
            progress: called with the number of films seen since the last call.
        """
        found = [np.empty((0, len(CLASSES)), np.float32)]
        with torch.inference_mode():
            for first in range(0, len(films), BATCH):
                part = torch.from_numpy(films[first : first + BATCH])
                found.append(self.network(part).softmax(-1).numpy())
                progress(len(part))
        return np.concatenate(found)

    def classify(self, paths: Sequence[str | Path]) -> list[list[tuple[str, float]]]:
        """For each GIF file all labels with their probabilities, the likeliest first.

        Raises:
            AnamnesisError: a file is no film that the model can be shown; the line names it.
        """
        return self.of_films([gif.read(Path(path), self.size) for path in paths])

    def of_films(self, films: Sequence[NDArray[np.uint8]]) -> list[list[tuple[str, float]]]:
        """As `classify` does, of films (frames, size, size), which need not be of the same length."""
        rows = [self.probabilities(film[None])[0] for film in films]
        return [[(CLASSES[index], float(row[index])) for index in np.argsort(-row, kind="stable")] for row in rows]
