"""Texts and stores that the tests of the tokenizers share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from anamnesis.data.stores import store
from anamnesis.data.tokenizers import settings


@pytest.fixture
def entry() -> Callable[..., settings.Tokens]:
    """An entry of `tokens`, checked."""

    def _entry(**values: Any) -> settings.Tokens:
        return TypeAdapter(settings.Tokens).validate_python({"corpus": "small", **values})

    return _entry


@pytest.fixture
def build(tmp_path: Path, entry: Callable[..., settings.Tokens]) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """Writes texts to files, makes a token store of them, and returns its folder and its counts."""

    def _build(train: str, valid: str = "a", test: str = "a", block: int = 1 << 20, **values: Any):
        values.setdefault("kind", "characters")
        sources = {}
        for split, text in (("train", train), ("valid", valid), ("test", test)):
            sources[split] = tmp_path / f"{split}.txt"
            sources[split].write_bytes(text.encode())
        return tmp_path / "store", store.write(tmp_path / "store", entry(**values), sources, block=block)

    return _build
