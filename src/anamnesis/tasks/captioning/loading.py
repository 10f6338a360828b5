"""A trained captioner of a model folder."""

import numpy as np

from anamnesis import models
from anamnesis.errors import AnamnesisError
from anamnesis.models import ModelFolder
from anamnesis.tasks.captioning.model.captions import Captioner
from anamnesis.tasks.captioning.model.images import HEIGHT, CaptionedImages, width
from anamnesis.tasks.captioning.model.letters import WORDS
from anamnesis.tasks.captioning.settings import Nearest


def load(found: ModelFolder) -> Captioner:
    """The captioner of a model folder.

    Raises:
        AnamnesisError: the arrays are not those of the network, or of the images, that the card describes.
    """
    experiment = found.experiment
    if isinstance(experiment.model, Nearest):
        from anamnesis.tasks.captioning.model.baselines import NearestCaptioner

        return NearestCaptioner(_training_images(found), experiment.images, found.card)
    from anamnesis.tasks.captioning.model.captioner import NetworkCaptioner
    from anamnesis.tasks.captioning.model.network import CaptionNetwork

    columns = width(experiment.images.longest)
    network = models.load_network(
        found.folder, lambda: CaptionNetwork(experiment.model, columns), found.weights, found.device
    )
    return NetworkCaptioner(found.card, network, experiment.images, experiment.search)


def _training_images(found: ModelFolder) -> CaptionedImages:
    images, weights = found.experiment.images, found.weights
    shapes = {
        "pixels": (images.train, HEIGHT, width(images.longest)),
        "digits": (images.train, images.longest),
        "counts": (images.train,),
    }
    if {name: (value.shape, str(value.dtype)) for name, value in weights.items()} != {
        name: (shape, "uint8") for name, shape in shapes.items()
    } or not (
        weights["digits"].max() < len(WORDS)
        and 1 <= weights["counts"].min() <= weights["counts"].max() <= images.longest
    ):
        raise AnamnesisError(f"{found.folder}: the arrays are not the images that model.json describes")
    return CaptionedImages(weights["pixels"], weights["digits"].astype(np.int64), weights["counts"].astype(np.int64))
