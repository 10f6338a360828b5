"""Batches of captioned images."""

from typing import NamedTuple

import torch
from torch import Tensor

from anamnesis.tasks.captioning.model import letters
from anamnesis.tasks.captioning.model.images import CaptionedImages
from anamnesis.training.batches import Batches


class Batch(NamedTuple):
    """Some images with their captions.

    Attributes:
        pixels: from 0, white, to 255, black: uint8, (images, HEIGHT, width).
        targets: ids of the captions, padded with END: int64, (time, images).
        places: indices of the letters and of each caption's first END in the flattened targets: int64, (letters,).
    """

    pixels: Tensor
    targets: Tensor
    places: Tensor


def new_batches(images: CaptionedImages, size: int, seed: int | None) -> Batches[Batch]:
    """Batches of `size` images, in a new order each epoch, or with `seed` None in the order of `images`."""
    pixels = torch.from_numpy(images.pixels)
    ids, lengths = map(torch.from_numpy, letters.spell(images.digits, images.counts))

    def pick(numbers: Tensor) -> Batch:
        targets = ids[numbers, : int(lengths[numbers].max())].T.contiguous()
        real = torch.arange(len(targets))[:, None] < lengths[numbers]
        return Batch(pixels[numbers], targets, real.flatten().nonzero().squeeze(1))

    return Batches(pick, len(images), size, seed)
