"""The evaluate stage of a classifier of documents: accuracy, macro F1, what was taken for what, and examples."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis import console, files
from anamnesis.errors import AnamnesisError
from anamnesis.metrics.labels import confusion_csv, scores
from anamnesis.metrics.results import common_metrics, csv_text, curve_csv, labels_question
from anamnesis.tasks.classification import saved
from anamnesis.tasks.classification.classifier import Classifier
from anamnesis.tasks.classification.settings import Experiment, TfIdf

# Wrong documents that are shown, and characters of each.
SHOWN, CHARACTERS = 20, 300


def evaluate(name: str, experiment: Experiment, root: Path) -> None:
    """Score models/NAME on its validation and test splits; write metrics/NAME.json and predictions/NAME.

    Of the test split, confusion.csv there counts documents by `actual` and `predicted` label, and mistakes.csv has the
    first that were told wrongly.

    Args:
        name: the experiment.
        experiment: its settings.
        root: the project's folder.

    Raises:
        AnamnesisError: the model is damaged, or was trained on other documents than the store now holds.
    """
    import torch

    from anamnesis.data.stores.documents import open_documents
    from anamnesis.data.stores.store import read_stats

    torch.set_num_threads(1)
    folder, store = root / "models" / name, root / "data" / "tokens" / experiment.tokens
    model, stats = saved.load(folder), read_stats(store)
    tokenizers = [files.sha256_file(where / saved.TOKENIZER) for where in (folder, store)]
    if tokenizers[0] != tokenizers[1] or {key: model.card.get(key) for key in saved.entries(stats)} != saved.entries(
        stats
    ):
        raise AnamnesisError(f"{folder}: trained on other documents than {store} holds; run `anamnesis repro {name}`")
    metrics: dict[str, Any] = common_metrics(model.card, stats, labels_question(stats))
    splits = {split: open_documents(store, split) for split in ("valid", "test")}
    with console.progress() as bar:
        task = bar.add_task(f"evaluate {name}", total=sum(map(len, splits.values())))
        for split, documents in splits.items():
            read = [documents[number] for number in range(len(documents))]
            probabilities = model.of_ids(read, lambda count: bar.advance(task, count))
            predicted, actual = probabilities.argmax(1), np.asarray(documents.labels, np.int64)
            metrics[split] = scores(actual, predicted) | {"documents": len(documents)}
    with files.new_folder(root / "predictions" / name) as predictions:
        files.write_text(predictions / "confusion.csv", confusion_csv(stats["labels"], actual, predicted))
        files.write_text(predictions / "mistakes.csv", _mistakes_csv(model, read, actual, probabilities))
        if not isinstance(experiment.model, TfIdf):
            files.write_text(predictions / "curve.csv", curve_csv(folder / "history.csv", name))
    files.write_json(root / "metrics" / f"{name}.json", metrics)
    test = metrics["test"]
    console.summary(
        "evaluate",
        name,
        f"test accuracy {100 * test['accuracy']:.1f} %, macro F1 {test['macro_f1']:.4g}, "
        f"over {test['documents']:,} documents",
    )


def _mistakes_csv(
    model: Classifier,
    documents: list[NDArray[Any]],
    actual: NDArray[np.int64],
    probabilities: NDArray[np.float32],
) -> str:
    """mistakes.csv: the first wrong documents, the label taken for theirs with its probability, and how they begin."""
    labels, predicted = model.card["labels"], probabilities.argmax(1)
    rows = [
        (
            labels[actual[number]],
            labels[predicted[number]],
            f"{probabilities[number].max():.4f}",
            # A token has one character at least, and most have a space before them.
            model.tokenizer.decode(documents[number][:CHARACTERS].tolist())[:CHARACTERS],
        )
        for number in np.flatnonzero(predicted != actual)[:SHOWN]
    ]
    return csv_text([("actual", "predicted", "probability", "text"), *rows])
