"""The evaluate stage of telling a passage's label: accuracy, macro F1, and what was taken for what."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console, files
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.results import common_metrics, csv_text, curve_csv, labels_question, rounded
from anamnesis.tasks.passages import saved, scores
from anamnesis.tasks.passages.features import passages
from anamnesis.tasks.passages.settings import Experiment


def evaluate(name: str, experiment: Experiment, root: Path) -> None:
    """Score models/NAME on its validation and test splits; write metrics/NAME.json and predictions/NAME.

    confusion.csv there counts the test split's passages by `actual` and `predicted` label.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or was trained on other passages than the store now holds.
    """
    import torch

    from anamnesis.data.stores.store import read_stats

    torch.set_num_threads(1)
    folder, store = root / "models" / name, root / "data" / "tokens" / experiment.tokens
    model, stats = saved.load(folder), read_stats(store)
    labels = model.card["labels"]
    if model.card["train_text_sha256"] != stats["splits"]["train"]["text_sha256"] or labels != stats["labels"]:
        raise AnamnesisError(f"{folder}: trained on other passages than {store} holds; run `anamnesis repro {name}`")
    texts, wanted = {}, {}
    for split in ("valid", "test"):
        texts[split], wanted[split] = passages(store, split)
    metrics: dict[str, Any] = common_metrics(model.card, stats, labels_question(stats))
    with console.progress() as bar:
        task = bar.add_task(f"evaluate {name}", total=sum(map(len, texts.values())))
        for split, each in texts.items():
            predicted = model.probabilities(each, lambda count: bar.advance(task, count)).argmax(1)
            counts = scores.confusion(wanted[split], predicted, len(labels))
            metrics[split] = {
                "accuracy": rounded(scores.accuracy(counts)),
                "macro_f1": rounded(scores.macro_f1(counts)),
                "documents": len(each),
            }
    with files.new_folder(root / "predictions" / name) as predictions:
        files.write_text(predictions / "confusion.csv", confusion_csv(labels, counts))
        files.write_text(predictions / "curve.csv", curve_csv(folder / "history.csv", name))
    files.write_json(root / "metrics" / f"{name}.json", metrics)
    test = metrics["test"]
    console.summary(
        "evaluate",
        name,
        f"test accuracy {100 * test['accuracy']:.1f} %, macro F1 {test['macro_f1']:.4g}, "
        f"over {test['documents']:,} passages",
    )


def confusion_csv(labels: list[str], counts: NDArray[np.int64]) -> str:
    """The rows actual,predicted,count of a confusion matrix (labels, labels), all of them, label by label."""
    rows = [
        (actual, predicted, counts[row, column])
        for row, actual in enumerate(labels)
        for column, predicted in enumerate(labels)
    ]
    return csv_text([("actual", "predicted", "count"), *rows])
