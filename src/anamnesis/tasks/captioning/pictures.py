"""Image files of users as the images that a captioner knows."""

import io
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.captioning.model.images import BLACK, GAP, HEIGHT, SIDE, width

if TYPE_CHECKING:
    from PIL.Image import Image

# Largest file, in bytes and pixels: a photograph has fewer.
MOST_BYTES, MOST_PIXELS = 50_000_000, 60_000_000
# Formats that Pillow decodes without another program.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
# The least contrast between the darkest ink and the paper, from 0 to 1; and the share of the darkest ink from which a
# pixel belongs to a figure.
FAINTEST, INK = 0.15, 0.4
# A figure smaller than this share of the tallest one, in both directions, is dirt.
SPECK = 0.25


def open_image(path: Path, name: str, longest: int) -> NDArray[np.uint8]:
    """The image of a file on disk, as `read_image`.

    Args:
        path: the file.
        name: the file's name as the user wrote it, for errors.
        longest: most digits of an image.

    Raises:
        AnamnesisError: the file cannot be read, or as `read_image`.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise AnamnesisError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return read_image(content, name, longest)


def read_image(content: bytes, name: str, longest: int) -> NDArray[np.uint8]:
    """The image of a file, from 0, white, to 255, black: (HEIGHT, width(longest)).

    A file with the proportions of a captioner's images, such as the evaluation writes, is only scaled down. From any
    other file, the figures are cut out, scaled to the height of digits, and set apart as in training: their size and
    the paper around them do not matter. Figures are dark on light paper or light on dark paper; the rim of the picture
    decides.

    Args:
        content: a PNG, JPEG, GIF, BMP, WebP, TIFF or PPM file; its first picture counts.
        name: the file's name, for errors.
        longest: most digits of an image.

    Raises:
        AnamnesisError: the file is of another format, damaged, too large or empty, or has too many figures.
    """
    light = _lightness(_open_picture(content, name))
    rim = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    paper, columns = float(np.median(rim)), width(longest)
    scale, rest = divmod(light.shape[0], HEIGHT)
    if scale and not rest and light.shape[1] == columns * scale:
        ink = 1 - light if paper > 0.5 else light
        ink = ink.reshape(HEIGHT, scale, columns, scale).mean((1, 3))
        _check_ink(ink, name)
    else:
        ink = _set_figures(np.clip(paper - light if paper > 0.5 else light - paper, 0, 1), name, longest)
    return np.rint(ink * BLACK).astype(np.uint8)


class Figure(NamedTuple):
    """Where a figure is on its sheet, in pixels; `right` and `bottom` are the first column and row after it."""

    left: int
    right: int
    top: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


def _check_ink(ink: NDArray[np.float64], name: str) -> None:
    if ink.max() < FAINTEST:
        raise AnamnesisError(f"{name}: there is nothing in it: no figure stands out from the paper")


def _open_picture(content: bytes, name: str) -> "Image":
    from PIL import Image, ImageOps

    if len(content) > MOST_BYTES:
        raise AnamnesisError(f"{name}: too large; allowed: at most {MOST_BYTES:,} bytes")
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures above our own limit, and of oddities that do not matter here.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            if image.width * image.height > MOST_PIXELS:
                raise AnamnesisError(
                    f"{name}: found {image.width:,} x {image.height:,} pixels; allowed: at most {MOST_PIXELS:,}"
                )
            image.load()
            return ImageOps.exif_transpose(image)
    except AnamnesisError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, IndexError, KeyError, TypeError, ArithmeticError):
        pass
    except Image.DecompressionBombError:
        raise AnamnesisError(f"{name}: too many pixels; allowed: at most {MOST_PIXELS:,}") from None
    raise AnamnesisError(f"{name}: not an image that can be read; allowed: {', '.join(FORMATS)}")


def _lightness(image: "Image") -> NDArray[np.float64]:
    """Lightness from 0 to 1, (height, width); transparent pixels are white."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        # Pictures with more than 8 bits a pixel; their largest value is white.
        values = np.nan_to_num(np.asarray(image, np.float64))
        return np.clip(values / max(float(values.max()), 1e-9), 0, 1)
    colours = image.convert("RGBA")
    white = Image.new("RGBA", colours.size, "white")
    return np.asarray(Image.alpha_composite(white, colours).convert("L"), np.float64) / 255


def _set_figures(ink: NDArray[np.float64], name: str, longest: int) -> NDArray[np.float64]:
    """The figures of a sheet side by side as digits, (HEIGHT, width(longest)), the darkest pixel 1.

    Args:
        ink: from 0, paper, to 1, (height, width).
        name: the file's name, for errors.
        longest: most digits of an image.
    """
    from PIL import Image

    _check_ink(ink, name)
    figures = _figures(ink > INK * ink.max())
    tallest = max(each.height for each in figures)
    figures = [each for each in figures if max(each.width, each.height) >= max(SPECK * tallest, 1)]
    top, bottom = min(each.top for each in figures), max(each.bottom for each in figures)
    scale = min(SIDE / tallest, HEIGHT / (bottom - top))
    height = min(HEIGHT, max(1, round((bottom - top) * scale)))
    sheet, first = np.zeros((HEIGHT, 0)), (HEIGHT - height) // 2
    for each in figures:
        piece = Image.fromarray(ink[top:bottom, each.left : each.right].astype(np.float32))
        columns = max(1, round(each.width * scale))
        cell = np.zeros((HEIGHT, max(SIDE, columns) + GAP // 2))
        start = GAP // 2 + max(0, SIDE - columns) // 2
        scaled = piece.resize((columns, height), Image.Resampling.BOX)
        cell[first : first + height, start : start + columns] = np.asarray(scaled, np.float64)
        sheet = np.concatenate([sheet, cell], axis=1)
        if sheet.shape[1] > width(longest):
            raise AnamnesisError(
                f"{name}: too wide: found figures as wide as {len(figures)} digits or more; allowed: {longest} digits"
            )
    sheet = np.pad(sheet, ((0, 0), (0, width(longest) - sheet.shape[1])))
    return sheet / sheet.max()


def _figures(written: NDArray[np.bool_]) -> list[Figure]:
    """The figures, which empty columns separate, from left to right."""
    edges = np.flatnonzero(np.diff(np.pad(written.any(0), 1).astype(np.int8)))
    figures = []
    for left, right in edges.reshape(-1, 2).tolist():
        rows = np.flatnonzero(written[:, left:right].any(1))
        figures.append(Figure(left, right, int(rows[0]), int(rows[-1]) + 1))
    return figures
