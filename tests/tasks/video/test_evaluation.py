"""Training and evaluating a video classifier: scores by an independent count, and what each network can learn."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import toys
from listener import Recorder

from anamnesis import models
from anamnesis.stages.evaluate import evaluate
from anamnesis.stages.train import train
from anamnesis.tasks.video.evaluation import gif
from anamnesis.tasks.video.model.videos import CLASSES, DIRECTIONS, open_videos


def test_scores_equal_an_independent_count(project: Path) -> None:
    watch, settings = Recorder(), toys.settings("video-cnn-lstm", training={"epochs": 4})
    train("mine", settings, project, watch)
    evaluate("mine", project)
    metrics = json.loads((project / "metrics" / "mine.json").read_text())
    folder, store = project / "predictions" / "mine", project / "data" / "tokens" / "images"
    model = models.load(project / "models" / "mine")
    for split in ("valid", "test"):
        videos = open_videos(store, split, settings.videos)
        probabilities = model.probabilities(videos.videos)
        if split == "valid":
            # The weights are those of the best epoch.
            loss = -np.log(probabilities[np.arange(len(videos)), videos.labels]).mean()
            assert loss == pytest.approx(min(row["valid_loss"] for row in watch.rows.values()), rel=1e-4)
        predicted = [CLASSES[row.argmax()] for row in probabilities]
        actual = [CLASSES[label] for label in videos.labels]
        pairs = list(zip(actual, predicted, strict=True))
        scores = metrics[split]
        assert scores["videos"] == len(pairs)
        assert scores["accuracy"] == pytest.approx(np.mean([one == other for one, other in pairs]), rel=1e-5)
        for place, name in enumerate(("digit_accuracy", "direction_accuracy")):
            hits = [one.split()[place] == other.split()[place] for one, other in pairs]
            assert scores[name] == pytest.approx(np.mean(hits), rel=1e-5)
        f1 = []
        for label in {*actual, *predicted}:
            both = sum(one == other == label for one, other in pairs)
            f1.append(2 * both / (actual.count(label) + predicted.count(label)))
        assert scores["macro_f1"] == pytest.approx(np.mean(f1), rel=1e-5)
        assert metrics["data"][split] == videos.sha256()
    for place, (name, labels) in enumerate((("confusion", list(map(str, range(10)))), ("directions", [*DIRECTIONS]))):
        with open(folder / f"{name}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [(row["actual"], row["predicted"]) for row in rows] == [(one, two) for one in labels for two in labels]
        counts = Counter((one.split()[place], other.split()[place]) for one, other in pairs)
        assert {(row["actual"], row["predicted"]): int(row["count"]) for row in rows if row["count"] != "0"} == counts
    shown = sorted((folder / "videos").iterdir())
    names = [f"{number:02}-{label.replace(' ', '-')}.gif" for number, label in enumerate(actual[:6], 1)]
    assert [path.name for path in shown] == names
    # The files hold the videos that were evaluated.
    ranked = [model.classify(gif.read(path, model.size)) for path in shown]
    assert [ranking[0][0] for ranking in ranked] == predicted[:6]
    # The model classifies shorter and longer videos.
    assert [len(model.classify(np.zeros((frames, 14, 14), np.uint8))) for frames in (2, 40)] == [80, 80]


def test_both_parts_of_the_network_are_needed(project: Path) -> None:
    """Convolutions alone do not show the direction; with an LSTM they do."""
    videos = {"train": 800, "valid": 160, "noise": 0.05, "frames": 4, "speed": 2.0, "size": 18}
    block = {"videos": videos, "training": {"epochs": 5, "learning_rate": 0.01, "checkpoint_steps": 100}}
    accuracy = {}
    for architecture, model in (("cnn-lstm", {"channels": 4, "features": 32, "hidden": 24}), ("cnn", {"channels": 4})):
        settings = toys.settings(f"video-{architecture}", model=model | {"dropout": 0.0}, batch=16, **block)
        train(architecture, settings, project, Recorder())
        valid = open_videos(project / "data" / "tokens" / "images", "valid", settings.videos)
        predicted = models.load(project / "models" / architecture).probabilities(valid.videos).argmax(1)
        accuracy[architecture] = [
            (predicted // 8 == valid.labels // 8).mean(),
            (predicted % 8 == valid.labels % 8).mean(),
        ]
    assert min(accuracy["cnn-lstm"]) > 0.8
    assert accuracy["cnn"][0] > 0.8
    # One in eight by chance.
    assert accuracy["cnn"][1] < 0.25
