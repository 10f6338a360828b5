"""Small labelled images: the pixels of all images in a row, and the label of each.

train.npy           0 0 5 13 9 ...      (images * height * width,), row by row
train.labels.npy    7 0 3 ...           (images,), numbers in the list of labels
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anamnesis import files
from anamnesis.data.stores import arrays, tables
from anamnesis.data.tokenizers import settings
from anamnesis.errors import AnamnesisError

HEIGHT = WIDTH = 8
DARKEST = 16
COLUMNS = (*(f"pixel_{index}" for index in range(HEIGHT * WIDTH)), "digit")
LABELS = [str(digit) for digit in range(10)]


@dataclass(frozen=True, eq=False)
class Images:
    """The images of a split.

    Attributes:
        pixels: from 0, white, to 16, black: uint8, shape (images, 8, 8).
        labels: the digit of each: uint8, shape (images,).
    """

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def open_images(folder: Path, split: str) -> Images:
    """The images of a split of a token store, as read-only memory maps.

    Raises:
        AnamnesisError: a file is missing or damaged, or the two do not fit.
    """
    pixels = arrays.open_array(folder / f"{split}.npy", "pixels", (np.uint8,))
    labels = arrays.open_array(folder / f"{split}.labels.npy", "labels", (np.uint8,))
    if len(pixels) != len(labels) * HEIGHT * WIDTH or not len(labels) or labels.max() >= len(LABELS):
        raise AnamnesisError(f"{folder / split}.npy: does not fit {split}.labels.npy; make the store anew")
    return Images(pixels.reshape(-1, HEIGHT, WIDTH), labels)


def write(
    folder: Path, entry: settings.ImageTokens, sources: dict[str, Path], advance: Callable[[int], object]
) -> dict[str, Any]:
    """Write the arrays of every split, as `store.write` says.

    Returns:
        The content of stats.json.

    Raises:
        AnamnesisError: a table has other columns or values than pixels and a digit, or has no rows.
    """
    stats: dict[str, Any] = {"corpus": entry.corpus, "kind": entry.kind, "labels": LABELS, "splits": {}}
    for split, path in sources.items():
        rows, digest = tables.read_table(path, COLUMNS, advance)
        table = np.array([list(map(_number, row)) for row in rows], np.int64).reshape(-1, len(COLUMNS))
        if not len(table):
            raise AnamnesisError(f"{path}: the table has no images")
        if table.min() < 0 or table.max() > DARKEST or table[:, -1].max() >= len(LABELS):
            raise AnamnesisError(f"{path}: allowed: pixels from 0 to {DARKEST}, and a digit")
        np.save(folder / f"{split}.npy", table[:, :-1].astype(np.uint8).ravel())
        np.save(folder / f"{split}.labels.npy", table[:, -1].astype(np.uint8))
        stats["splits"][split] = {
            "images": len(table),
            "text_sha256": digest,
            "ids_sha256": files.sha256_file(folder / f"{split}.npy"),
        }
    return stats


def _number(value: str) -> int:
    return int(value) if value.isdecimal() else -1
