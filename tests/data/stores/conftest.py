"""Token stores of tables."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from anamnesis.data.stores import store


@pytest.fixture
def write_tables(tmp_path, entry):
    """A function that writes a token store of three tables and returns its folder and its counts."""

    def _write(
        header: Sequence[str], splits: Mapping[str, Iterable[Sequence[object]]], **values: Any
    ) -> tuple[Path, dict[str, Any]]:
        sources = {split: tmp_path / f"{split}.csv" for split in splits}
        for split, path in sources.items():
            with open(path, "w", newline="", encoding="utf-8") as file:
                csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([header, *splits[split]])
        return tmp_path / "store", store.write(tmp_path / "store", entry(**values), sources)

    return _write
