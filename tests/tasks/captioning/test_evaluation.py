"""What the evaluation writes, every number again from the model and the images."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listener import Recorder
from PIL import Image

from anamnesis.data.stores.store import open_images
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.captioning import pictures, rows, saved
from anamnesis.tasks.captioning.evaluation import evaluate
from anamnesis.tasks.captioning.scores import character_error_rate, edits, exact_match
from anamnesis.tasks.captioning.settings import Experiment
from anamnesis.tasks.captioning.train import train

Make = Callable[..., Experiment]
HEAD = {
    "experiment", "task", "board", "corpus", "tokens", "architecture", "parameters", "fingerprint", "data", "question",
    "valid", "test",
}  # fmt: skip


def distance(one: str, other: str) -> int:
    """Levenshtein's distance by its recursive definition."""
    if not one or not other:
        return len(one) + len(other)
    if one[0] == other[0]:
        return distance(one[1:], other[1:])
    return 1 + min(distance(one[1:], other), distance(one, other[1:]), distance(one[1:], other[1:]))


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_edits_are_levenshteins() -> None:
    random = np.random.default_rng(3)
    found, references = (
        ["".join(random.choice(list("ab "), size=random.integers(0, 5))) for _ in range(60)] for _ in range(2)
    )
    references = [each or "a" for each in references]
    expected = [distance(*pair) for pair in zip(found, references, strict=True)]
    assert edits(found, references) == expected
    assert character_error_rate(found, references) == pytest.approx(sum(expected) / sum(map(len, references)))
    same = [one == other for one, other in zip(found, references, strict=True)]
    assert exact_match(found, references) == pytest.approx(np.mean(same))
    assert edits(["one two"], ["one two"]) == [0]


@pytest.mark.parametrize("architecture", ["cnn-lstm", "nearest"])
def test_a_model_is_scored(project: Path, experiment: Make, architecture: str) -> None:
    settings = experiment(architecture)
    train("mine", settings, project, Recorder())
    evaluate("mine", settings, project)
    metrics: dict[str, Any] = json.loads((project / "metrics" / "mine.json").read_text())
    predictions = project / "predictions" / "mine"
    model: Any = saved.load(project / "models" / "mine")
    assert set(metrics) == HEAD
    assert (metrics["task"], metrics["board"], metrics["tokens"]) == ("captioning", "caption", "digits")
    assert metrics["fingerprint"] == model.card["fingerprint"]
    network = architecture != "nearest"
    for split in ("valid", "test"):
        images = rows.make(open_images(project / "data" / "tokens" / "digits", split), settings.rows, split)
        assert metrics["data"][split] == images.sha256()
        found = [best[0] for best in model.caption(images.pixels, 3)]
        plain = [best[0] for best in model.caption(images.pixels, 1)]
        texts, references = [each.text for each in found], images.captions()
        expected = {
            "exact_match": pytest.approx(exact_match(texts, references), rel=1e-5),
            "character_error_rate": pytest.approx(character_error_rate(texts, references), rel=1e-5),
            "images": len(images),
        }
        if network:
            expected["exact_match_greedy"] = pytest.approx(exact_match([each.text for each in plain], references))
            expected["perplexity"] = pytest.approx(model.perplexity(images), rel=1e-5)
        assert metrics[split] == expected

    table = rows_of(predictions / "captions.csv")
    assert list(table[0]) == ["reference", "caption", "greedy", "score", "greedy_score", "edits"]
    for row, best, other, reference in zip(table, found, plain, references, strict=True):
        assert (row["reference"], row["caption"]) == (reference, best.text)
        assert int(row["edits"]) == edits([best.text], [reference])[0]
        if network:
            assert row["greedy"] == other.text
            assert float(row["score"]) == pytest.approx(best.score, rel=1e-4, abs=1e-5)
            assert float(row["greedy_score"]) == pytest.approx(other.score, rel=1e-4, abs=1e-5)
        else:
            assert (row["greedy"], row["score"], row["greedy_score"]) == ("", "", "")
    lengths = rows_of(predictions / "lengths.csv")
    assert sum(int(row["images"]) for row in lengths) == len(images)
    for row in lengths:
        chosen = [index for index, text in enumerate(references) if len(text.split()) == int(row["digits"])]
        assert int(row["images"]) == len(chosen) > 0
        both = [texts[index] for index in chosen], [references[index] for index in chosen]
        assert float(row["exact_match"]) == pytest.approx(exact_match(*both), rel=1e-5)
        assert float(row["character_error_rate"]) == pytest.approx(character_error_rate(*both), rel=1e-5)

    files = sorted((predictions / "images").iterdir())
    assert [path.name for path in files] == [
        f"{number:02d}-{text.replace(' ', '-')}.png" for number, text in enumerate(references[:12])
    ]
    for path, pixels in zip(files, images.pixels, strict=False):
        shown = np.asarray(Image.open(path))
        np.testing.assert_array_equal(shown[4::8, 4::8], 255 - pixels)
        # What is read from the file is what was scored.
        np.testing.assert_array_equal(pictures.open_file(path, path.name, settings.rows), pixels)
    if network:
        history = rows_of(project / "models" / "mine" / "history.csv")
        assert rows_of(predictions / "curve.csv") == [{"experiment": "mine", **row} for row in history]
    else:
        assert not (predictions / "curve.csv").exists()

    kept = {path: path.read_bytes() for path in [*predictions.rglob("*.*"), project / "metrics" / "mine.json"]}
    kept = {path: path.read_bytes() for path in kept if path.is_file()}
    evaluate("mine", settings, project)
    assert {path: path.read_bytes() for path in kept} == kept


def test_a_model_of_other_images_is_refused(project: Path, experiment: Make) -> None:
    train("mine", experiment("nearest"), project, Recorder())
    for changes in ({"tokens": "others"}, {"rows": {"noise": 0.2}}):
        with pytest.raises(AnamnesisError, match=r"trained on other images than .*; run `anamnesis repro mine`$"):
            evaluate("mine", experiment("nearest", **changes), project)
    assert not (project / "metrics").exists()
