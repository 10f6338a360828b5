"""The evaluation of a video classifier: scores by an independent count."""

from collections import Counter

import numpy as np
import pytest
import toys as toy

from anamnesis.tasks.video.evaluation import gif
from anamnesis.tasks.video.model.videos import CLASSES, DIRECTIONS, open_videos


def test_scores_equal_an_independent_count(toys):
    name = "video-cnn-lstm"
    model, metrics, folder = toys.results(name)
    for split in ("valid", "test"):
        videos = open_videos(toys.tokens(name), split, toy.settings(name).videos)
        probabilities = model.probabilities(videos.videos)
        if split == "valid":
            # The weights are those of the best epoch.
            loss = -np.log(probabilities[np.arange(len(videos)), videos.labels]).mean()
            history = toy.rows(toys.model(name) / "history.csv")
            assert loss == pytest.approx(min(float(row["valid_loss"]) for row in history), rel=1e-4)
        predicted = [CLASSES[row.argmax()] for row in probabilities]
        actual = [CLASSES[label] for label in videos.labels]
        pairs = list(zip(actual, predicted, strict=True))
        scores = metrics[split]
        assert scores["videos"] == len(pairs)
        assert scores["accuracy"] == pytest.approx(np.mean([one == other for one, other in pairs]), rel=1e-5)
        for place, part in enumerate(("digit_accuracy", "direction_accuracy")):
            hits = [one.split()[place] == other.split()[place] for one, other in pairs]
            assert scores[part] == pytest.approx(np.mean(hits), rel=1e-5)
        f1 = []
        for label in {*actual, *predicted}:
            both = sum(one == other == label for one, other in pairs)
            f1.append(2 * both / (actual.count(label) + predicted.count(label)))
        assert scores["macro_f1"] == pytest.approx(np.mean(f1), rel=1e-5)
        assert metrics["data"][split] == videos.sha256()
    for place, (file, labels) in enumerate((("confusion", list(map(str, range(10)))), ("directions", [*DIRECTIONS]))):
        rows = toy.rows(folder / f"{file}.csv")
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
