"""Small projects that commands are tried on."""

from pathlib import Path

import pytest
import toy_pairs
import toy_text


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one experiment that is trained and evaluated, and one that is not."""
    return toy_text.make(tmp_path_factory.mktemp("project") / "hello")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_pairs.make(tmp_path_factory.mktemp("pairs") / "toy")
