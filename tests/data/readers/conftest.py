"""A function that reads files by a reader's settings."""

import csv
from typing import Any

import pytest
from pydantic import TypeAdapter

from anamnesis.data.settings import Corpus
from anamnesis.data.sources.local import Part

# The tests pass the files themselves.
SOURCE = {
    "kind": "package",
    "files": [{"package": "p", "file": "p.zip", "members": [{"path": "p", "sha256": "0" * 64}]}],
}
SPLITS = ("train", "valid", "test")


@pytest.fixture
def corpus():
    """A function that checks the settings of a corpus; its source is a package unless they say otherwise."""
    return lambda **keys: TypeAdapter(Corpus).validate_python({"source": SOURCE, **keys})


@pytest.fixture
def read(tmp_path, corpus):
    """A function that reads files (name, content, split, archive) by settings: the texts or rows of each split, counts.

    Split and archive may be left out.
    """
    calls = []

    def _read(keys: dict[str, Any], *files: tuple[Any, ...]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
        calls.append(None)
        folder = tmp_path / f"read-{len(calls)}"
        (folder / "out").mkdir(parents=True)
        parts = []
        for number, (name, content, *more) in enumerate(files):
            split, archive = (*more, None, None)[:2]
            path = folder / f"part-{number}"
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            parts.append(Part(name, path, "", split, archive))
        counts = corpus(**keys).read(parts, folder / "out")
        written = sorted((folder / "out").iterdir(), key=lambda path: SPLITS.index(path.stem))
        assert [path.stem for path in written] == list(SPLITS)
        splits: dict[str, list[Any]] = {}
        for path in written:
            if path.suffix == ".txt":
                splits[path.stem] = path.read_bytes().decode().split("\f\n")
            else:
                with open(path, newline="", encoding="utf-8") as file:
                    splits[path.stem] = list(csv.reader(file))[1:]
        return splits, counts

    return _read


@pytest.fixture
def join():
    """A function that joins the texts or rows of all splits in order."""
    return lambda splits: [item for name in SPLITS for item in splits[name]]
