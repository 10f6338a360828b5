"""Images of digits as files that people look at, and files of people's own as images that a network reads."""

import io
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.captioning.rows import BLACK, GAP, HEIGHT, SIDE, width
from anamnesis.tasks.captioning.settings import Rows

if TYPE_CHECKING:
    from PIL.Image import Image

# A file's pixel for each pixel of an image, on both sides.
ENLARGED = 8
# Bytes and pixels of a user's file, at most; a photograph has fewer.
MOST_BYTES, MOST_PIXELS = 50_000_000, 60_000_000
# Formats that Pillow itself decodes, without another program.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
# Darkness against the paper, of 1, below which nothing was written; and the share of the darkest that is ink.
FAINTEST, INK = 0.15, 0.4
# What is smaller than this share of the largest figure in both directions is dirt.
SPECK = 0.25


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """An image (HEIGHT, width) as a PNG file, black on white, large enough to be seen; always the same bytes."""
    from PIL import Image

    grey = BLACK - np.kron(pixels, np.ones((ENLARGED, ENLARGED), np.uint8))
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG", optimize=False, compress_level=9)
    return file.getvalue()


def open_file(path: Path, name: str, rows: Rows) -> NDArray[np.uint8]:
    """`read` of a file; `name` is what the user calls it.

    Raises:
        AnamnesisError: it cannot be read, or `read` refuses it.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise AnamnesisError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return read(content, name, rows.longest)


def read(content: bytes, name: str, longest: int) -> NDArray[np.uint8]:
    """The image of a file, as a network for rows of up to `longest` digits knows them.

    A file with the network's own proportions, such as `as_png` makes, is only made smaller. Of any other, the figures
    are cut out, brought to the height of digits, and set as far apart as in training: so their size, and the paper
    around them, do not matter. Dark figures on light paper are expected, or light ones on dark; which it is, the rim
    tells.

    Args:
        content: of a PNG, JPEG, GIF, BMP, WebP, TIFF or PPM file; the first picture, if there are several.
        name: of the file, for errors.
        longest: most digits in a row.

    Returns:
        From 0, white, to 255, black: (HEIGHT, width(longest)).

    Raises:
        AnamnesisError: it is no such file, damaged or too large, nothing is written on it, or too much.
    """
    grey = _grey(_opened(content, name))
    columns = width(longest)
    rim = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = float(np.median(rim))
    times, rest = divmod(grey.shape[0], HEIGHT)
    if times and not rest and grey.shape[1] == columns * times:
        ink = 1 - grey if paper > 0.5 else grey
        ink = ink.reshape(HEIGHT, times, columns, times).mean((1, 3))
        if ink.max() < FAINTEST:
            raise AnamnesisError(f"{name}: there is nothing in it: no figure stands out from the paper")
    else:
        ink = _set(np.clip(paper - grey if paper > 0.5 else grey - paper, 0, 1), name, longest)
    return np.rint(ink * BLACK).astype(np.uint8)


def _opened(content: bytes, name: str) -> "Image":
    from PIL import Image, ImageOps

    if len(content) > MOST_BYTES:
        raise AnamnesisError(f"{name}: too large; allowed: at most {MOST_BYTES:,} bytes")
    try:
        with warnings.catch_warnings():
            # Our own limit is below Pillow's, and its other warnings are not for the user.
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


def _grey(image: "Image") -> NDArray[np.float64]:
    """Lightness from 0 to 1, (height, width); what is transparent is white."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        # More than 8 bits: of a file, 16.
        values = np.nan_to_num(np.asarray(image, np.float64))
        return np.clip(values / max(float(values.max()), 1e-9), 0, 1)
    colours = image.convert("RGBA")
    white = Image.new("RGBA", colours.size, "white")
    return np.asarray(Image.alpha_composite(white, colours).convert("L"), np.float64) / 255


def _set(ink: NDArray[np.float64], name: str, longest: int) -> NDArray[np.float64]:
    """Figures from anywhere on a sheet, set as a row of digits: (HEIGHT, width(longest)), the darkest 1."""
    from PIL import Image

    if ink.max() < FAINTEST:
        raise AnamnesisError(f"{name}: there is nothing in it: no figure stands out from the paper")
    written = ink > INK * ink.max()
    figures = _figures(written)
    tallest = max(bottom - top for _, _, top, bottom in figures)
    figures = [each for each in figures if max(each[1] - each[0], each[3] - each[2]) >= max(SPECK * tallest, 1)]
    top, bottom = min(each[2] for each in figures), max(each[3] for each in figures)
    scale = min(SIDE / tallest, HEIGHT / (bottom - top))
    height = min(HEIGHT, max(1, round((bottom - top) * scale)))
    row = np.zeros((HEIGHT, 0))
    first = (HEIGHT - height) // 2
    for left, right, _, _ in figures:
        piece = Image.fromarray(ink[top:bottom, left:right].astype(np.float32))
        columns = max(1, round((right - left) * scale))
        cell = np.zeros((HEIGHT, max(SIDE, columns) + GAP // 2))
        start = GAP // 2 + max(0, SIDE - columns) // 2
        cell[first : first + height, start : start + columns] = _scaled(piece, columns, height)
        row = np.concatenate([row, cell], axis=1)
        if row.shape[1] > width(longest):
            raise AnamnesisError(
                f"{name}: too wide: found figures as wide as {len(figures)} digits or more; allowed: {longest} digits"
            )
    row = np.pad(row, ((0, 0), (0, width(longest) - row.shape[1])))
    return row / row.max()


def _figures(written: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    """What stands between empty columns, from left to right: (left, right, top, bottom), the ends not included."""
    edges = np.flatnonzero(np.diff(np.pad(written.any(0), 1).astype(np.int8)))
    found = []
    for left, right in edges.reshape(-1, 2).tolist():
        rows = np.flatnonzero(written[:, left:right].any(1))
        found.append((left, right, int(rows[0]), int(rows[-1]) + 1))
    return found


def _scaled(piece: Any, columns: int, height: int) -> NDArray[np.float64]:
    from PIL import Image

    return np.asarray(piece.resize((columns, height), Image.Resampling.BOX), np.float64)
