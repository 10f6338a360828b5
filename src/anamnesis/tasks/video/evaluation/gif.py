"""Videos as GIF files: black on white, one level of grey for each value of a pixel, so that nothing is lost."""

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.video.settings import LONGEST

# A pixel of a video becomes a square of so many, and a frame lasts so many milliseconds.
SCALE, DURATION = 8, 120
# Of a file that is read: bytes, and height and width in pixels, which no field exceeds.
LARGEST, WIDEST = 32_000_000, 2048


def encode(video: NDArray[np.uint8], scale: int = SCALE) -> bytes:
    """A video as an endless GIF.

    Args:
        video: from 0, white, to 255, black, (frames, size, size).
        scale: height and width of the square that a pixel becomes.
    """
    from PIL import Image

    large = (255 - video).repeat(scale, 1).repeat(scale, 2)
    first, *others = (Image.fromarray(frame) for frame in large)
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=DURATION, loop=0, optimize=False)
    return file.getvalue()


def read(path: Path, size: int) -> NDArray[np.uint8]:
    """The video of a GIF file, uint8 (frames, size, size): `decode` of its bytes.

    Raises:
        AnamnesisError: the file cannot be read, or as `decode`.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise AnamnesisError(f"{path}: cannot be read: {error.strerror}") from None
    return decode(data, size, str(path))


def decode(data: bytes, size: int, name: str) -> NDArray[np.uint8]:
    """The video in a GIF, which nobody vouches for.

    Colours become levels of grey. A picture that is a whole number of times as large as the field is made smaller by
    the means of its squares; one that is mostly dark is taken for a negative.

    Args:
        data: the content of a file.
        size: height and width of the field.
        name: of the file, for errors.

    Returns:
        From 0, white, to 255, black, (frames, size, size).

    Raises:
        AnamnesisError: it is no GIF, is damaged, has one frame or too many, or its pictures do not fit the field.
    """
    from PIL import Image

    if len(data) > LARGEST:
        raise AnamnesisError(f"{name}: larger than {LARGEST // 1_000_000} MB; allowed: a short video as a GIF")
    frames: list[NDArray[np.uint8]] = []
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=["GIF"]) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            while True:
                # Before a pixel is decoded: a few bytes can ask for gigabytes.
                _check(image.size, size, name)
                frames.append(_smaller(np.asarray(image.convert("L")), size))
                if len(frames) > LONGEST:
                    raise AnamnesisError(f"{name}: found more than {LONGEST:,} frames; allowed: 2 to {LONGEST:,}")
                try:
                    image.seek(len(frames))
                except EOFError:
                    break
    except AnamnesisError:
        raise
    except Exception:
        # Pillow's plugins raise whatever a damaged byte leads them to.
        raise AnamnesisError(f"{name}: not a GIF file, or a damaged one") from None
    if len(frames) < 2:
        raise AnamnesisError(f"{name}: found a single frame; allowed: 2 to {LONGEST:,}, a video")
    video = np.stack(frames)
    return video if np.median(video) < 128 else 255 - video


def _check(found: tuple[int, int], size: int, name: str) -> None:
    width, height = found
    if width != height or width % size or not size <= width <= WIDEST:
        raise AnamnesisError(
            f"{name}: found a picture of {width} x {height}; allowed: {size} x {size}, or that times a whole number, "
            f"up to {WIDEST:,}"
        )


def _smaller(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The means of the squares of a picture (n * size, n * size), rounded."""
    scale = len(picture) // size
    means = picture.reshape(size, scale, size, scale).mean((1, 3))
    return np.rint(means).astype(np.uint8)
