"""A store of real digits, and networks small enough for milliseconds."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from anamnesis.data.stores import store
from anamnesis.data.stores.images import COLUMNS
from anamnesis.data.tokenizers.settings import ImageTokens
from anamnesis.tasks.captioning.model.images import CaptionedImages, width
from anamnesis.tasks.captioning.model.network import CaptionNetwork
from anamnesis.tasks.captioning.settings import Network

SPLITS = {"train": range(0, 120), "valid": range(120, 160), "test": range(160, 220)}
NETWORKS = ("cnn-rnn", "cnn-gru", "cnn-lstm")


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The token store data/tokens/digits of a project."""
    root = tmp_path_factory.mktemp("project")
    pixels, labels = load_digits(return_X_y=True)
    sources = {}
    for split, rows in SPLITS.items():
        sources[split] = root / f"{split}.csv"
        table = np.column_stack([pixels[rows], labels[rows]]).astype(int)
        with open(sources[split], "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([COLUMNS, *table.tolist()])
    store.write(root / "data" / "tokens" / "digits", ImageTokens(kind="images", corpus="small"), sources)
    return root / "data" / "tokens" / "digits"


@pytest.fixture
def project(digits: Path, tmp_path: Path) -> Path:
    """A new project folder that shares the token store."""
    (tmp_path / "data").symlink_to(digits.parents[1])
    return tmp_path


@pytest.fixture(scope="session")
def network() -> Callable[..., CaptionNetwork]:
    """network(architecture, scale): in evaluation mode, with weights so large that letters differ."""

    def make(architecture: str = "cnn-gru", scale: float = 0.5) -> CaptionNetwork:
        torch.manual_seed(3)
        settings = Network(architecture=architecture, channels=2, hidden=6, embedding=4)  # type: ignore[arg-type]
        result = CaptionNetwork(settings, width(4))
        for parameter in result.parameters():
            torch.nn.init.normal_(parameter, std=scale)
        return result.eval()

    return make


@pytest.fixture(scope="session")
def images() -> Callable[..., CaptionedImages]:
    """images(number, longest): random pixels with random captions of 1 to `longest` digits."""

    def make(number: int = 7, longest: int = 4) -> CaptionedImages:
        random = np.random.default_rng(5)
        return CaptionedImages(
            random.integers(256, size=(number, 12, width(longest)), dtype=np.uint8),
            random.integers(10, size=(number, longest)),
            random.integers(1, longest + 1, number),
        )

    return make
