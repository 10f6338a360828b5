"""The evaluate stage of a classifier of films: how well it tells digits, directions and both, and films to look at."""

from pathlib import Path
from typing import Any

import numpy as np

from anamnesis import console, files
from anamnesis.data.stores.images import LABELS
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.labels.scores import confusion_csv, scores
from anamnesis.tasks.video import gif, saved
from anamnesis.tasks.video.films import CLASSES, DIRECTIONS, open_films
from anamnesis.tasks.video.settings import Experiment
from anamnesis.training.results import common_metrics, curve_csv, question, rounded

# Test films that are written as GIF files.
SHOWN = 6


def evaluate(name: str, experiment: Experiment, root: Path) -> None:
    """Score models/NAME on its validation and test splits; write metrics/NAME.json and predictions/NAME.

    `accuracy` and `macro_f1` are of the classes, digit and direction at once; `digit_accuracy` and
    `direction_accuracy` of the parts of the predicted class. confusion.csv there counts the test films by the digit
    that was shown and the one that was told, directions.csv likewise; films/ holds the first test films, each under
    its number and label.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or was trained on other films than the store and the settings now make.
    """
    import torch

    from anamnesis.data.stores.store import read_stats

    torch.set_num_threads(1)
    folder, store = root / "models" / name, root / "data" / "tokens" / experiment.tokens
    model, stats = saved.load(folder), read_stats(store)
    expected = saved.entries(stats) | {"films": experiment.films.model_dump(mode="json")}
    if {key: model.card.get(key) for key in expected} != expected:
        raise AnamnesisError(f"{folder}: trained on other films than {store} now gives; run `anamnesis repro {name}`")
    splits = {split: open_films(store, split, experiment.films) for split in ("valid", "test")}
    # The images alone do not say what was asked: other settings make other films of them.
    digests = {split: made.sha256() for split, made in splits.items()}
    films = experiment.films
    asked = question(
        f"digit and direction of films of {films.frames} frames, {films.size} pixels wide, speed {films.speed:g}, "
        f"noise {films.noise:g}, seed {films.seed}",
        **{split: {"films": each, "score": "accuracy"} for split, each in digests.items()},
    )
    metrics: dict[str, Any] = common_metrics(model.card, experiment.board, stats, asked)
    metrics["data"] = digests
    with console.progress() as bar:
        task = bar.add_task(f"evaluate {name}", total=sum(map(len, splits.values())))
        for split, made in splits.items():
            predicted = model.probabilities(made.films, lambda count: bar.advance(task, count)).argmax(1)
            actual, told = (np.divmod(labels, len(DIRECTIONS)) for labels in (made.labels, predicted))
            metrics[split] = scores(made.labels, predicted) | {
                "digit_accuracy": rounded(float((actual[0] == told[0]).mean())),
                "direction_accuracy": rounded(float((actual[1] == told[1]).mean())),
                "films": len(made),
            }
    with files.new_folder(root / "predictions" / name) as predictions:
        files.write_text(predictions / "confusion.csv", confusion_csv(LABELS, actual[0], told[0]))
        files.write_text(predictions / "directions.csv", confusion_csv(list(DIRECTIONS), actual[1], told[1]))
        files.write_text(predictions / "curve.csv", curve_csv(folder / "history.csv", name))
        for number, (film, label) in enumerate(zip(made.films[:SHOWN], made.labels[:SHOWN], strict=True), 1):
            label_text = CLASSES[label].replace(" ", "-")
            files.write_bytes(predictions / "films" / f"{number:02}-{label_text}.gif", gif.written(film))
    files.write_json(root / "metrics" / f"{name}.json", metrics)
    test = metrics["test"]
    console.summary(
        "evaluate",
        name,
        f"test accuracy {100 * test['accuracy']:.1f} %, of digits {100 * test['digit_accuracy']:.1f} %, of directions "
        f"{100 * test['direction_accuracy']:.1f} %, over {test['films']:,} films",
    )
