"""A trained video classifier: a network and the videos that it can classify."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anamnesis import models
from anamnesis.errors import AnamnesisError
from anamnesis.models import ModelFolder
from anamnesis.tasks.video.model.network import VideoNetwork
from anamnesis.tasks.video.model.videos import CLASSES, PARTS

# Videos that the network classifies at once.
BATCH = 100


class VideoClassifier:
    """Classifies videos.

    Args:
        card: the model's card.
        size: height and width of a frame in pixels.
        network: in evaluation mode.
    """

    def __init__(self, card: dict[str, Any], size: int, network: VideoNetwork) -> None:
        self.card, self.size, self.network = card, size, network

    def probabilities(
        self, videos: NDArray[np.uint8], progress: Callable[[int], object] = lambda videos: None
    ) -> NDArray[np.float32]:
        """The probability of each label (videos, labels), in the order of `CLASSES`.

        Args:
            videos: from 0, white, to 255, black, (videos, frames, size, size).
            progress: called with the number of videos classified since the last call.
        """
        found, device = [np.empty((0, len(CLASSES)), np.float32)], self.network.output.weight.device
        with torch.inference_mode():
            for first in range(0, len(videos), BATCH):
                part = torch.from_numpy(videos[first : first + BATCH])
                found.append(self.network(part.to(device)).softmax(-1).cpu().numpy())
                progress(len(part))
        return np.concatenate(found)

    def classify(self, video: NDArray[np.uint8]) -> list[tuple[str, float]]:
        """All labels of a video (frames, size, size) with their probabilities, the most probable first."""
        row = self.probabilities(video[None])[0]
        return [(CLASSES[index], float(row[index])) for index in np.argsort(-row, kind="stable")]


def load(found: ModelFolder) -> VideoClassifier:
    """The classifier of a model folder.

    Raises:
        AnamnesisError: the labels or the arrays are not those of the network that the card describes.
    """
    if found.card.get("labels") != CLASSES:
        raise AnamnesisError(f"{found.folder}: model.json: labels: not the digits and directions of videos")
    experiment = found.experiment
    size = experiment.videos.size
    network = models.load_network(
        found.folder, lambda: VideoNetwork(experiment.model, size, PARTS), found.weights, found.device
    )
    return VideoClassifier(found.card, size, network)
