"""Scores and predictions, recomputed from the stored model."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from listener import Recorder

from anamnesis import models
from anamnesis.stages.evaluate import evaluate
from anamnesis.stages.train import train
from anamnesis.tasks.classification.model.documents import open_split
from anamnesis.tasks.classification.settings import Experiment

from ..conftest import documents, splits, write_store

Make = Callable[..., Experiment]


def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("architecture", ["tfidf", "birnn", "histogram", "language-model"])
def test_scores_and_predictions_are_those_of_the_stored_model(
    project: Path, experiment: Make, architecture: str
) -> None:
    changes = {"training": {"epochs": 1, "learning_rate": 0.001}} if architecture != "tfidf" else {}
    settings = experiment(architecture, **changes)
    train("mine", settings, project, Recorder())
    evaluate("mine", project)
    metrics = json.loads((project / "metrics" / "mine.json").read_text())
    assert (metrics["task"], metrics["architecture"]) == ("classification", architecture)
    model = models.load(project / "models" / "mine")
    labels = model.card["labels"]
    for split in ("valid", "test"):
        held = open_split(project / "data" / "tokens" / settings.tokens, split, settings.model, model.tokenizer)
        predicted = model.probabilities(held).argmax(1)
        assert metrics[split]["accuracy"] == pytest.approx((predicted == held.labels).mean(), rel=1e-5)
        assert metrics[split]["documents"] == len(held)
        assert metrics[split].keys() == {"accuracy", "macro_f1", "documents"}
    predictions = project / "predictions" / "mine"
    counts = Counter(zip(held.labels.tolist(), predicted.tolist(), strict=True))
    assert [tuple(row.values()) for row in table(predictions / "confusion.csv")] == [
        (actual, guess, str(counts[row, column]))
        for row, actual in enumerate(labels)
        for column, guess in enumerate(labels)
    ]
    wrong = np.flatnonzero(predicted != held.labels)
    shown = table(predictions / "mistakes.csv")
    assert len(shown) == min(20, len(wrong))
    for number, row in zip(wrong, shown, strict=False):
        assert (row["actual"], row["predicted"]) == (labels[held.labels[number]], labels[predicted[number]])
        assert row["text"] == held.text(number, model.tokenizer)


def test_mistakes_are_the_first_and_are_cut(tmp_path: Path, experiment: Make) -> None:
    long = [(label, " ".join([text] * 40)) for label, text in documents(60, 9)]
    # Every document has its neighbour's label.
    test = [(long[number - 1][0], text) for number, (_, text) in enumerate(long)]
    write_store(tmp_path, splits() | {"test": test})
    train("mine", experiment("tfidf"), tmp_path, Recorder())
    evaluate("mine", tmp_path)
    rows = table(tmp_path / "predictions" / "mine" / "mistakes.csv")
    assert [row["text"] for row in rows] == [" ".join(text.split())[:300] for _, text in test[:20]]
