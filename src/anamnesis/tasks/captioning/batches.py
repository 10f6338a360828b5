"""Images with their captions as a network reads them."""

from typing import NamedTuple

import torch
from torch import Tensor

from anamnesis.tasks.captioning import letters
from anamnesis.tasks.captioning.rows import Captioned
from anamnesis.training.batches import Batches


class Batch(NamedTuple):
    """Some images with their captions.

    Attributes:
        pixels: uint8, (images, HEIGHT, width).
        targets: ids of the letters, the end behind them, and more ends to the longest caption: int64, (time, images).
        places: where the letters and each caption's first end are in the flattened targets: int64, (letters,).
    """

    pixels: Tensor
    targets: Tensor
    places: Tensor


def collate(images: Captioned) -> Batch:
    """All of some images as one batch."""
    ids, lengths = letters.spelled(images.digits, images.counts)
    return _batch(torch.from_numpy(images.pixels), torch.from_numpy(ids), torch.from_numpy(lengths))


def batches(images: Captioned, size: int, seed: int | None) -> Batches[Batch]:
    """Batches of `size` images, in a new order each epoch; with `seed` None, as they come."""
    ids, lengths = (torch.from_numpy(each) for each in letters.spelled(images.digits, images.counts))
    pixels = torch.from_numpy(images.pixels)
    return Batches(lambda rows: _batch(pixels[rows], ids[rows], lengths[rows]), len(images), size, seed)


def _batch(pixels: Tensor, ids: Tensor, lengths: Tensor) -> Batch:
    targets = ids[:, : int(lengths.max())].T.contiguous()
    real = torch.arange(len(targets))[:, None] < lengths
    return Batch(pixels, targets, real.flatten().nonzero().squeeze(1))
