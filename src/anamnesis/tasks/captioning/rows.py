"""Images of digits in a row, made from a seed out of the digits of a split, each with its reading.

 gap  digit  gap digit  ...  white to the full width
+---------------------------------------------------+
|     ####       #                                  |   each digit as high as it comes,
|        #      ##      ####                        |   a little higher or lower than its neighbour
|     ###        #     #   #                        |
|        #       #      ####                        |
|    ####        #     #  #                         |
+---------------------------------------------------+
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.stores.images import DARKEST, Images
from anamnesis.tasks.captioning import letters
from anamnesis.tasks.captioning.settings import Rows

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
# Pixels: the side of a digit's square, the height of an image, the widest gap between two squares, and how much higher
# or lower than in the middle a digit may stand.
SIDE, HEIGHT, GAP, RISE = 8, 12, 2, 1
# Pixels beyond its square that a digit may reach into when it is enlarged or slanted; and with the shift, too.
MARGIN, EDGE = 2, 4
BLACK = 255


@dataclass(frozen=True, eq=False)
class Captioned:
    """Images with their readings.

    Attributes:
        pixels: from 0, white, to 255, black: uint8, (images, HEIGHT, width).
        digits: what each shows, from left to right: int64, (images, most digits); behind its digits anything.
        counts: how many digits each shows: int64, (images,).
    """

    pixels: NDArray[np.uint8]
    digits: NDArray[np.int64]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: slice) -> "Captioned":
        return Captioned(self.pixels[rows], self.digits[rows], self.counts[rows])

    def captions(self) -> list[str]:
        """The reading of each image."""
        pairs = zip(self.digits.tolist(), self.counts.tolist(), strict=True)
        return [" ".join(letters.WORDS[digit] for digit in row[:count]) for row, count in pairs]

    def sha256(self) -> str:
        """A hex digest of the images and their readings."""
        result = hashlib.sha256(str(self.pixels.shape).encode())
        result.update(self.pixels.tobytes())
        result.update("\n".join(self.captions()).encode())
        return result.hexdigest()


@dataclass(frozen=True, eq=False)
class Plan:
    """What is drawn by chance: of every place in every image, (images, most digits).

    Attributes:
        counts: digits that are shown, (images,).
        which: number of the digit's image in its split.
        tops, lefts: of the digit's square, in pixels from the image's upper left.
        zooms: height and width against the original, (images, most digits, 2).
        shears: columns to the right for each row further up, about the digit's middle.
        inks: darkness against the original.
    """

    counts: NDArray[np.int64]
    which: NDArray[np.int64]
    tops: NDArray[np.float64]
    lefts: NDArray[np.float64]
    zooms: NDArray[np.float64]
    shears: NDArray[np.float64]
    inks: NDArray[np.float64]


def width(longest: int) -> int:
    """Pixels of images with up to `longest` digits: each in its square, with the widest gaps around them."""
    return longest * (SIDE + GAP) + GAP


def make(images: Images, settings: Rows, split: Split) -> Captioned:
    """The images of a split, from that split's digits alone; the same ones every time.

    Only the training's digits are changed in size, slant, darkness and by parts of a pixel. Each split has random
    numbers of its own, so that another number of training images leaves validation and test as they were.

    Args:
        images: the split's digits.
        settings: the experiment's `rows` block.
        split: which; it decides how many, and what is drawn.
    """
    number: int = getattr(settings, split)
    random = np.random.default_rng((settings.seed, SPLITS.index(split)))
    plan = planned(random, number, len(images), settings, split == "train")
    ink = drawn(plan, images.pixels / DARKEST, width(settings.longest))
    ink += random.normal(0, settings.noise, ink.shape)
    pixels = np.rint(np.clip(ink, 0, 1) * BLACK).astype(np.uint8)
    return Captioned(pixels, images.labels[plan.which].astype(np.int64), plan.counts)


def planned(random: np.random.Generator, number: int, digits: int, settings: Rows, augmented: bool) -> Plan:
    """Draw what `number` images of up to `settings.longest` of `digits` digits are made of."""
    shape = (number, settings.longest)
    counts = random.integers(settings.shortest, settings.longest, number, endpoint=True)
    which = random.integers(digits, size=shape)
    tops = ((HEIGHT - SIDE) // 2 + random.integers(-RISE, RISE, shape, endpoint=True)).astype(np.float64)
    lefts = np.cumsum(random.integers(GAP, size=shape, endpoint=True) + SIDE, axis=1).astype(float) - SIDE
    if not augmented:
        ones = np.ones(shape)
        return Plan(counts, which, tops, lefts, np.ones((*shape, 2)), np.zeros(shape), ones)
    zooms = random.uniform(1 - settings.zoom, 1 + settings.zoom, (*shape, 2))
    shears = random.uniform(-settings.shear, settings.shear, shape)
    inks = random.uniform(1 - settings.fading, 1, shape)
    tops += random.uniform(-settings.shift, settings.shift, shape)
    lefts += random.uniform(-settings.shift, settings.shift, shape)
    return Plan(counts, which, tops, lefts, zooms, shears, inks)


def drawn(plan: Plan, digits: NDArray[np.float64], columns: int) -> NDArray[np.float64]:
    """Draw images: where two digits meet, the darker one is seen.

    A pixel of a digit that was moved by parts of a pixel, enlarged or slanted is interpolated between the four nearest
    ones of the original, which is white all around.

    Args:
        plan: what to draw.
        digits: the originals, from 0, white, to 1, (digits, SIDE, SIDE).
        columns: the images' width.

    Returns:
        (images, HEIGHT, columns), from 0, white, to 1.
    """
    from scipy.ndimage import map_coordinates

    number, longest = plan.which.shape
    middle = (SIDE - 1) / 2
    canvas = np.zeros((number, HEIGHT, columns + 2 * EDGE))
    rows = np.arange(HEIGHT)
    every = np.arange(number)[:, None, None]
    for place in range(longest):
        first = np.floor(plan.lefts[:, place]).astype(int) - MARGIN
        reach = first[:, None] + np.arange(SIDE + 2 * MARGIN + 1)
        # From the digit's middle: down, and to the right.
        down = (rows - plan.tops[:, place, None] - middle)[:, :, None]
        right = (reach - plan.lefts[:, place, None] - middle)[:, None, :] + plan.shears[:, place, None, None] * down
        zooms = plan.zooms[:, place, :, None, None]
        y, x = down / zooms[:, 0] + middle, right / zooms[:, 1] + middle
        spots = np.broadcast_arrays(plan.which[:, place, None, None], y, x)
        patch = map_coordinates(digits, spots, order=1, mode="grid-constant")
        patch *= plan.inks[:, place, None, None] * (plan.counts > place)[:, None, None]
        target = (every, rows[:, None], reach[:, None, :] + EDGE)
        canvas[target] = np.maximum(canvas[target], patch)
    return canvas[:, :, EDGE : EDGE + columns]
