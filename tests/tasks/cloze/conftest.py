"""A small project folder with token stores of words and characters of an English text."""

from pathlib import Path
from pydoc_data.topics import topics

import pytest
from pydantic import TypeAdapter

from anamnesis.data.stores import store
from anamnesis.data.tokenizers.settings import Tokens

SPLITS = {"train": slice(0, 30_000), "valid": slice(30_000, 33_000), "test": slice(33_000, 38_000)}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder with the text of each split in SPLIT.txt, and data/tokens/words."""
    text = "".join(topics[name] for name in sorted(topics)).replace("import", "impört")
    for split, part in SPLITS.items():
        (tmp_path / f"{split}.txt").write_text(text[part], encoding="utf-8")
    write_store(tmp_path, "words", minimum_count=2)
    return tmp_path


def write_store(project: Path, name: str, kind: str = "words", **options: object) -> None:
    """data/tokens/NAME of the project's texts."""
    entry = TypeAdapter(Tokens).validate_python({"corpus": "manual", "kind": kind, **options})
    store.write(project / "data" / "tokens" / name, entry, {split: project / f"{split}.txt" for split in SPLITS})
