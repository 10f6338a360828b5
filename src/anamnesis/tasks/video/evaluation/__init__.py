"""The evaluation of a video classifier: accuracy of digits, directions and both, and example videos."""

from pathlib import Path
from typing import Any

import numpy as np

from anamnesis.data.stores.images import LABELS
from anamnesis.metrics.labels import confusion_csv, scores
from anamnesis.metrics.results import Evaluation, Progress, question, round_score
from anamnesis.tasks.video.evaluation import gif
from anamnesis.tasks.video.loading import VideoClassifier
from anamnesis.tasks.video.model.videos import CLASSES, DIRECTIONS, open_videos

# Test videos that are written as GIF files.
SHOWN = 6


def evaluate(model: VideoClassifier, store: Path, experiment: Any, progress: Progress) -> Evaluation:
    """Accuracy and macro F1 on the validation and test videos.

    `accuracy` and `macro_f1` count classes, which are pairs of digit and direction; `digit_accuracy` and
    `direction_accuracy` count the two parts of the predicted class. confusion.csv counts the digits of the test videos
    by true and predicted digit, directions.csv does so for directions; videos/ holds the first test videos.
    """
    settings = experiment.videos
    splits = {split: open_videos(store, split, settings) for split in ("valid", "test")}
    # The images alone do not say what was asked: other settings draw other videos from them.
    digests = {split: drawn.sha256() for split, drawn in splits.items()}
    asked = question(
        f"digit and direction of videos of {settings.frames} frames, {settings.size} pixels wide, speed "
        f"{settings.speed:g}, noise {settings.noise:g}, seed {settings.seed}",
        **{split: {"videos": digest, "score": "accuracy"} for split, digest in digests.items()},
    )
    progress.begin(sum(map(len, splits.values())))
    metrics: dict[str, Any] = {"data": digests}
    for split, drawn in splits.items():
        predicted = model.probabilities(drawn.videos, progress.advance).argmax(1)
        actual, guessed = (np.divmod(labels, len(DIRECTIONS)) for labels in (drawn.labels, predicted))
        metrics[split] = scores(drawn.labels, predicted) | {
            "digit_accuracy": round_score(float((actual[0] == guessed[0]).mean())),
            "direction_accuracy": round_score(float((actual[1] == guessed[1]).mean())),
            "videos": len(drawn),
        }
    files: dict[str, str | bytes] = {
        "confusion.csv": confusion_csv(LABELS, actual[0], guessed[0]),
        "directions.csv": confusion_csv(list(DIRECTIONS), actual[1], guessed[1]),
    }
    for number, (video, label) in enumerate(zip(drawn.videos[:SHOWN], drawn.labels[:SHOWN], strict=True), 1):
        files[f"videos/{number:02}-{CLASSES[label].replace(' ', '-')}.gif"] = gif.encode(video)
    test = metrics["test"]
    return Evaluation(
        asked,
        metrics,
        files,
        f"test accuracy {100 * test['accuracy']:.1f} %, of digits {100 * test['digit_accuracy']:.1f} %, of directions "
        f"{100 * test['direction_accuracy']:.1f} %, over {test['videos']:,} videos",
    )
