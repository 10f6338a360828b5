"""What the evaluation says, recomputed from the stored model."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from listener import Recorder

from anamnesis.data.stores.documents import open_documents
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.classification import saved
from anamnesis.tasks.classification.evaluation import evaluate
from anamnesis.tasks.classification.settings import Experiment
from anamnesis.tasks.classification.train import train

from ..conftest import documents, splits, write_store

Make = Callable[..., Experiment]
ONCE = {"epochs": 1, "learning_rate": 0.001}


def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("architecture", ["tfidf", "lstm", "birnn"])
def test_metrics_and_predictions(project: Path, experiment: Make, architecture: str) -> None:
    settings = experiment({"architecture": architecture})
    if architecture != "tfidf":
        settings = experiment({"architecture": architecture}, training=ONCE)
    train("mine", settings, project, Recorder())
    evaluate("mine", settings, project)
    metrics = json.loads((project / "metrics" / "mine.json").read_text())
    assert (metrics["board"], metrics["architecture"]) == ("classification", architecture)
    model = saved.load(project / "models" / "mine")
    labels = model.card["labels"]
    for split in ("valid", "test"):
        held = open_documents(project / "data" / "tokens" / "words", split)
        predicted = model.of_ids([held[number] for number in range(len(held))]).argmax(1)
        assert metrics[split]["accuracy"] == pytest.approx((predicted == held.labels).mean(), rel=1e-5)
        assert metrics[split]["documents"] == len(held)
        assert set(metrics[split]) == {"accuracy", "macro_f1", "documents"}
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
    names = {path.name for path in predictions.iterdir()}
    assert names == {"confusion.csv", "mistakes.csv"} | ({"curve.csv"} if architecture != "tfidf" else set())
    if architecture != "tfidf":
        assert len(wrong) > 1
        assert [row["experiment"] for row in table(predictions / "curve.csv")] == ["mine"]


def test_mistakes_are_the_first_and_are_cut(tmp_path: Path, experiment: Make) -> None:
    long = [(label, " ".join([text] * 40)) for label, text in documents(60, 9)]
    # Every document has its neighbour's label.
    test = [(long[number - 1][0], text) for number, (_, text) in enumerate(long)]
    write_store(tmp_path, splits() | {"test": test})
    settings = experiment({"architecture": "tfidf"})
    train("mine", settings, tmp_path, Recorder())
    evaluate("mine", settings, tmp_path)
    rows = table(tmp_path / "predictions" / "mine" / "mistakes.csv")
    assert len(rows) == 20
    for row, (_, text) in zip(rows, test, strict=False):
        expected = " ".join(text.split())[:300]
        assert row["text"] == expected


def test_another_store_is_refused(tmp_path: Path, experiment: Make) -> None:
    settings = experiment({"architecture": "tfidf"})
    write_store(tmp_path, splits())
    train("mine", settings, tmp_path, Recorder())
    other = splits()
    # Other documents of the same words.
    other["train"] = other["train"][::-1]
    write_store(tmp_path, other)
    with pytest.raises(AnamnesisError, match="trained on other documents") as caught:
        evaluate("mine", settings, tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "metrics").exists()
