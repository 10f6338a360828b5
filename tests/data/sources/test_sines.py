"""The series of sine waves: values, splits, noise, and settings that are refused."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from anamnesis.data.settings import Corpus
from anamnesis.stages.fetch import fetch

WAVES = [{"amplitude": 2.0, "period": 25.0}, {"period": 7.3, "phase": 0.5}]


def corpus(reader: str = "series", more: Any = None, **source: Any) -> Corpus:
    entry = {"reader": reader, "source": {"kind": "sines", "waves": WAVES, **source}, **(more or {})}
    return TypeAdapter(Corpus).validate_python(entry)


def rows(root: Path) -> dict[str, list[tuple[int, float]]]:
    found = {}
    for split in ("train", "valid", "test"):
        with open(root / "data" / "raw" / "waves" / f"{split}.csv", encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file)
        assert header == ["time", "value"]
        found[split] = [(int(time), float(value)) for time, value in lines]
    return found


def test_values_follow_the_formula_across_the_splits(tmp_path):
    assert fetch("waves", corpus(), tmp_path) == "train 500, valid 100, test 250 rows"
    found = rows(tmp_path)
    times = [time for split in ("train", "valid", "test") for time, _ in found[split]]
    assert times == list(range(850))
    for split in found.values():
        for time, value in split:
            wave = 2 * math.sin(2 * math.pi * time / 25) + math.sin(2 * math.pi * time / 7.3 + 0.5)
            assert value == pytest.approx(wave, abs=5.1e-7)
    provenance = json.loads((tmp_path / "data" / "raw" / "waves" / "provenance.json").read_text())
    assert provenance["source"]["waves"][1] == {"amplitude": 1.0, "period": 7.3, "phase": 0.5}


def test_the_seed_decides_the_noise(tmp_path):
    def content(root: Path, **source: Any) -> dict[str, bytes]:
        fetch("waves", corpus(noise=0.3, train=400, **source), root)
        return {path.name: path.read_bytes() for path in (root / "data" / "raw" / "waves").iterdir()}

    first = content(tmp_path / "one")
    assert content(tmp_path / "two") == first
    other = content(tmp_path / "three", seed=2)
    assert all(other[name] != first[name] for name in first)
    noise = [
        value - 2 * math.sin(2 * math.pi * time / 25) - math.sin(2 * math.pi * time / 7.3 + 0.5)
        for time, value in rows(tmp_path / "one")["train"]
    ]
    assert math.fsum(noise) / 400 == pytest.approx(0, abs=0.06)
    assert math.sqrt(math.fsum(each * each for each in noise) / 400) == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize(
    ("reader", "more", "source", "problem"),
    [
        ("text", {}, {}, "source.kind: found 'sines'; allowed for `reader: text`: package"),
        ("series", {"value": "x"}, {}, "has its own columns and splits: remove `value`"),
        ("series", {}, {"waves": []}, "at least 1 item"),
    ],
)
def test_settings_that_are_refused(reader, more, source, problem):
    with pytest.raises(ValidationError, match=problem):
        corpus(reader, more, **source)
