"""Images of several digits with their captions, drawn from a seed and the digits of a split.

 gap  digit  gap digit  ...  white to the full width
+---------------------------------------------------+
|     ####       #                                  |
|        #      ##      ####                        |   a digit may stand a pixel higher or lower
|     ###        #     #   #                        |   than its neighbour
|        #       #      ####                        |
|    ####        #     #  #                         |
+---------------------------------------------------+
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.stores.images import DARKEST, Images
from anamnesis.data.stores.store import SPLITS, open_images
from anamnesis.tasks.captioning.model import letters
from anamnesis.tasks.captioning.settings import DigitImages

# In pixels: height and width of a digit, height of an image, the widest gap between two digits, and the largest
# distance of a digit from the vertical middle.
SIDE, HEIGHT, GAP, RISE = 8, 12, 2, 1
# Pixels by which an enlarged or slanted digit exceeds its square, at most: without and with the shift.
MARGIN, EDGE = 2, 4
BLACK = 255


@dataclass(frozen=True, eq=False)
class CaptionedImages:
    """Images with their captions.

    Attributes:
        pixels: from 0, white, to 255, black: uint8, (images, HEIGHT, width).
        digits: the digits of each image from left to right: int64, (images, most digits); entries from `counts` on mean
            nothing.
        counts: how many digits each image shows: int64, (images,).
    """

    pixels: NDArray[np.uint8]
    digits: NDArray[np.int64]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, chosen: slice) -> "CaptionedImages":
        return CaptionedImages(self.pixels[chosen], self.digits[chosen], self.counts[chosen])

    def captions(self) -> list[str]:
        """The caption of each image, such as "three seven one"."""
        pairs = zip(self.digits.tolist(), self.counts.tolist(), strict=True)
        return [" ".join(letters.WORDS[digit] for digit in digits[:count]) for digits, count in pairs]

    def sha256(self) -> str:
        """A hex digest of the pixels and captions of all images."""
        result = hashlib.sha256(str(self.pixels.shape).encode())
        result.update(self.pixels.tobytes())
        result.update("\n".join(self.captions()).encode())
        return result.hexdigest()


@dataclass(frozen=True, eq=False)
class Layout:
    """The random choices behind some images: one for each digit, (images, most digits), where no other shape is given.

    Attributes:
        counts: how many digits each image shows, (images,).
        originals: number of the digit's image in its split.
        tops, lefts: position of the digit's square, in pixels from the image's upper left corner.
        zooms: height and width relative to the original, (images, most digits, 2).
        shears: columns to the right for each row upwards, about the digit's middle.
        inks: darkness relative to the original.
    """

    counts: NDArray[np.int64]
    originals: NDArray[np.int64]
    tops: NDArray[np.float64]
    lefts: NDArray[np.float64]
    zooms: NDArray[np.float64]
    shears: NDArray[np.float64]
    inks: NDArray[np.float64]


def width(longest: int) -> int:
    """The width in pixels of images with up to `longest` digits and the widest gaps."""
    return longest * (SIDE + GAP) + GAP


def open_captioned(store: Path, split: str, settings: DigitImages) -> CaptionedImages:
    """The captioned images of a split.

    Args:
        store: the folder of a token store of kind images.
        split: train, valid or test.
        settings: the experiment's `images` block.

    Raises:
        AnamnesisError: the store holds no images or is damaged.
    """
    return draw_images(open_images(store, split), settings, split)


def draw_images(digits: Images, settings: DigitImages, split: str) -> CaptionedImages:
    """Captioned images, the same ones every time.

    Only training images change the size, slant, darkness and subpixel position of digits. Each split has its own random
    numbers, so that the number of training images does not change the validation and test images.

    Args:
        digits: the digits of the split.
        settings: the experiment's `images` block.
        split: train, valid or test: it decides the number of images and the random numbers.
    """
    random = np.random.default_rng((settings.seed, SPLITS.index(split)))
    layout = draw_layout(random, getattr(settings, split), len(digits), settings, split == "train")
    ink = render(layout, digits.pixels / DARKEST, width(settings.longest))
    ink += random.normal(0, settings.noise, ink.shape)
    pixels = np.rint(np.clip(ink, 0, 1) * BLACK).astype(np.uint8)
    return CaptionedImages(pixels, digits.labels[layout.originals].astype(np.int64), layout.counts)


def draw_layout(
    random: np.random.Generator, images: int, originals: int, settings: DigitImages, augmented: bool
) -> Layout:
    """The random choices for `images` images.

    Args:
        random: the source of random numbers.
        images: how many images.
        originals: how many digits there are to choose from.
        settings: the experiment's `images` block.
        augmented: whether to change size, slant, darkness and subpixel position.
    """
    shape = (images, settings.longest)
    counts = random.integers(settings.shortest, settings.longest, images, endpoint=True)
    chosen = random.integers(originals, size=shape)
    tops = ((HEIGHT - SIDE) // 2 + random.integers(-RISE, RISE, shape, endpoint=True)).astype(np.float64)
    lefts = np.cumsum(random.integers(GAP, size=shape, endpoint=True) + SIDE, axis=1).astype(float) - SIDE
    if not augmented:
        return Layout(counts, chosen, tops, lefts, np.ones((*shape, 2)), np.zeros(shape), np.ones(shape))
    zooms = random.uniform(1 - settings.zoom, 1 + settings.zoom, (*shape, 2))
    shears = random.uniform(-settings.shear, settings.shear, shape)
    inks = random.uniform(1 - settings.fading, 1, shape)
    tops += random.uniform(-settings.shift, settings.shift, shape)
    lefts += random.uniform(-settings.shift, settings.shift, shape)
    return Layout(counts, chosen, tops, lefts, zooms, shears, inks)


def render(layout: Layout, originals: NDArray[np.float64], columns: int) -> NDArray[np.float64]:
    """The images of a layout, from 0, white, to 1, black: (images, HEIGHT, columns).

    Where two digits overlap, the darker pixel counts. A digit that is moved by parts of a pixel, enlarged or slanted is
    interpolated between the four nearest pixels of the original, which has a white surrounding.

    Args:
        layout: the random choices.
        originals: from 0, white, to 1, black, (digits, SIDE, SIDE).
        columns: the images' width.
    """
    from scipy.ndimage import map_coordinates

    images, longest = layout.originals.shape
    middle = (SIDE - 1) / 2
    canvas = np.zeros((images, HEIGHT, columns + 2 * EDGE))
    rows = np.arange(HEIGHT)
    every = np.arange(images)[:, None, None]
    for place in range(longest):
        first = np.floor(layout.lefts[:, place]).astype(int) - MARGIN
        reach = first[:, None] + np.arange(SIDE + 2 * MARGIN + 1)
        # Distances from the digit's middle.
        down = (rows - layout.tops[:, place, None] - middle)[:, :, None]
        right = (reach - layout.lefts[:, place, None] - middle)[:, None, :] + layout.shears[:, place, None, None] * down
        zooms = layout.zooms[:, place, :, None, None]
        y, x = down / zooms[:, 0] + middle, right / zooms[:, 1] + middle
        spots = np.broadcast_arrays(layout.originals[:, place, None, None], y, x)
        patch = map_coordinates(originals, spots, order=1, mode="grid-constant")
        patch *= layout.inks[:, place, None, None] * (layout.counts > place)[:, None, None]
        target = (every, rows[:, None], reach[:, None, :] + EDGE)
        canvas[target] = np.maximum(canvas[target], patch)
    return canvas[:, :, EDGE : EDGE + columns]
