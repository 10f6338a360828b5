"""A small project folder: a store of images that are drawn, not written by hand, and settings of small budgets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anamnesis.data.stores import store
from anamnesis.data.stores.images import COLUMNS
from anamnesis.data.tokenizers import settings


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    # Networks as small as these only wait for other threads.
    torch.set_num_threads(1)


def write_store(root: Path, seed: int = 1, digits: int = 10) -> Path:
    """data/tokens/images: digits that differ in their ink, no two images alike, 6, 3 and 3 of each digit."""
    random = np.random.default_rng(seed)
    sources, number = {}, 0
    for split, each in (("train", 6), ("valid", 3), ("test", 3)):
        lines = [",".join(COLUMNS)]
        for digit in random.permutation(np.repeat(np.arange(digits), each)):
            pixels = np.zeros((8, 8), int)
            pixels[: digit // 2 + 1, : 4 + 4 * (digit % 2)] = 16 - random.integers(3, size=(digit // 2 + 1, 1))
            # The last two pixels are the image's number.
            number += 1
            pixels[7, 6:] = divmod(number, 16)
            lines.append(",".join(map(str, [*pixels.ravel(), digit])))
        sources[split] = root / f"{split}.csv"
        sources[split].write_text("\n".join(lines) + "\n")
    folder = root / "data" / "tokens" / "images"
    store.write(folder, settings.ImageTokens(kind="images", corpus="drawn"), sources)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh project folder with data/tokens/images."""
    write_store(tmp_path)
    return tmp_path


MODELS: dict[str, dict[str, Any]] = {
    "cnn-lstm": {"architecture": "cnn-lstm", "channels": 2, "features": 7, "hidden": 9, "dropout": 0.1},
    "cnn": {"architecture": "cnn", "channels": 2, "features": 7, "dropout": 0.1},
    "lstm": {"architecture": "lstm", "hidden": 9, "dropout": 0.1},
}
