"""Videos of moving digits, made from a seed: which digit moves where, as a sequence of frames.

The digit may be anywhere in the middle frame, whatever its direction, so that this frame shows the digit and nothing of
its direction. Other frames show a little of it, and the more the further they are from the middle.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anamnesis import files
from anamnesis.data.stores.images import DARKEST, HEIGHT, LABELS, Images
from anamnesis.data.stores.store import SPLITS, open_images
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.video.settings import Videos

# Rows down and columns to the right.
DIRECTIONS = {
    "right": (0, 1),
    "down-right": (1, 1),
    "down": (1, 0),
    "down-left": (1, -1),
    "left": (0, -1),
    "up-left": (-1, -1),
    "up": (-1, 0),
    "up-right": (-1, 1),
}
CLASSES = [f"{digit} {direction}" for digit in LABELS for direction in DIRECTIONS]
"""The labels of videos: class // 8 is the digit, class % 8 the direction, in the order of `DIRECTIONS`."""

PARTS = len(LABELS), len(DIRECTIONS)

# Pixels that are drawn at once: noise in single precision takes 4 bytes each.
BLOCK = 4_000_000


@dataclass(frozen=True, eq=False)
class Split:
    """The videos of one split.

    Attributes:
        videos: from 0, white, to 255, black: uint8, (videos, frames, size, size).
        labels: numbers in `CLASSES`: int64, (videos,).
    """

    videos: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def sha256(self) -> str:
        """A hex digest of the pixels and labels of all videos."""
        return files.digest(str(self.videos.shape), self.videos.tobytes(), self.labels.tobytes())


def open_videos(store: Path, split: str, settings: Videos) -> Split:
    """The videos of a split: of its own digits, and from its own part of the seed.

    Args:
        store: the folder of a token store of kind images.
        split: train, valid or test.
        settings: the experiment's `videos` block.

    Raises:
        AnamnesisError: the store holds no images or is damaged, or the split lacks a digit.
    """
    try:
        return draw_videos(open_images(store, split), getattr(settings, split), settings, SPLITS.index(split))
    except AnamnesisError as error:
        raise AnamnesisError(f"{store}: {split}: {error}") from None


def draw_videos(images: Images, count: int, settings: Videos, stream: int) -> Split:
    """Videos of `images`; every class has as many as every other, or one more.

    The upper left corner is at floor(m + u + s d (t - T // 2)) in frame t of T, along each axis: m uniform among the
    whole pixels from which every direction stays inside the field, u uniform in [0, 1), s the speed, d the direction.

    Args:
        images: each video shows one of them, unscaled.
        count: how many videos.
        settings: frames, size of the field, speed, noise, seed.
        stream: number of an independent stream of the seed.

    Raises:
        AnamnesisError: there is no image of a digit.
    """
    random = np.random.default_rng((settings.seed, stream))
    labels = random.permutation(count) % len(CLASSES)
    digits, directions = np.divmod(labels, len(DIRECTIONS))
    shown = _draw_images(images.labels, digits, random)
    middle = random.integers(settings.reach, settings.size - HEIGHT - settings.reach, (count, 2), endpoint=True)
    way = settings.speed * (np.arange(settings.frames) - settings.frames // 2)[:, None]
    towards = np.array(list(DIRECTIONS.values()))[directions]
    exact = (middle + random.random((count, 2)))[:, None] + way * towards[:, None]
    places = np.floor(exact).astype(np.int64)
    videos = np.empty((count, settings.frames, settings.size, settings.size), np.uint8)
    block = max(1, BLOCK // videos[0].size)
    for first in range(0, count, block):
        part = slice(first, first + block)
        ink = draw_frames(images.pixels[shown[part]], places[part], settings.size)
        ink += np.float32(settings.noise) * random.standard_normal(ink.shape, np.float32)
        videos[part] = np.rint(255 * ink.clip(0, 1))
    return Split(videos, labels)


def draw_frames(pixels: NDArray[np.uint8], places: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    """Images on a white field, frame by frame.

    Args:
        pixels: from 0 to `DARKEST`, (videos, 8, 8).
        places: row and column of the upper left corner, from 0 to `size` - 8, (videos, frames, 2).
        size: height and width of the field.

    Returns:
        From 0, white, to 1, black: (videos, frames, size, size).
    """
    videos, frames, _ = places.shape
    field = np.zeros((videos, frames, size, size), np.float32)
    rows, columns = (places[..., axis, None] + np.arange(HEIGHT) for axis in (0, 1))
    video, frame = np.ogrid[:videos, :frames]
    ink = pixels[:, None] / np.float32(DARKEST)
    field[video[..., None, None], frame[..., None, None], rows[..., None], columns[..., None, :]] = ink
    return field


def _draw_images(
    labels: NDArray[np.uint8], digits: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int64]:
    """The number of an image for each video, drawn among those of its digit.

    Args:
        labels: the digits of the images (images,).
        digits: the digits wanted (videos,).
    """
    counts = np.bincount(labels, minlength=len(LABELS))
    if not counts[digits].all():
        raise AnamnesisError(f"found no image of the digit {digits[counts[digits] == 0].min()}")
    order, firsts = np.argsort(labels, kind="stable"), np.cumsum(counts) - counts
    return order[firsts[digits] + random.integers(counts[digits])]
