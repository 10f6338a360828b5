"""The evaluation of a classifier of documents: accuracy, macro F1, the confusion matrix, and the first mistakes."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anamnesis.data.stores.documents import Documents
from anamnesis.data.stores.store import read_stats
from anamnesis.metrics.labels import confusion_csv, scores
from anamnesis.metrics.results import Evaluation, Progress, csv_text, labels_question
from anamnesis.tasks.classification.loading import Classifier
from anamnesis.tasks.classification.model.documents import open_split

# Mistakes that are listed, and characters of each document.
SHOWN, CHARACTERS = 20, 300


def evaluate(model: Classifier, store: Path, experiment: Any, progress: Progress) -> Evaluation:
    """Accuracy and macro F1 on the validation and test documents.

    Of the test split, confusion.csv counts documents by true and predicted label, and mistakes.csv lists the first
    documents that are classified wrongly.
    """
    splits = {split: open_split(store, split, experiment.model, model.tokenizer) for split in ("valid", "test")}
    progress.begin(sum(map(len, splits.values())))
    metrics: dict[str, Any] = {}
    for split, documents in splits.items():
        probabilities = model.probabilities(documents, progress.advance)
        predicted = probabilities.argmax(1)
        metrics[split] = scores(documents.labels, predicted) | {"documents": len(documents)}
    test = metrics["test"]
    return Evaluation(
        labels_question(read_stats(store)),
        metrics,
        {
            "confusion.csv": confusion_csv(model.card["labels"], documents.labels, predicted),
            "mistakes.csv": _mistakes_csv(model, documents, probabilities),
        },
        f"test accuracy {100 * test['accuracy']:.1f} %, macro F1 {test['macro_f1']:.4g}, over "
        f"{test['documents']:,} documents",
    )


def _mistakes_csv(model: Classifier, documents: Documents, probabilities: NDArray[np.float32]) -> str:
    """The rows actual,predicted,probability,text of the first documents that are classified wrongly."""
    labels, predicted = model.card["labels"], probabilities.argmax(1)
    rows = [
        (
            labels[documents.labels[number]],
            labels[predicted[number]],
            f"{probabilities[number].max():.4f}",
            # A token is at least one character long.
            model.tokenizer.decode(documents[number][:CHARACTERS].tolist())[:CHARACTERS],
        )
        for number in np.flatnonzero(predicted != documents.labels)[:SHOWN]
    ]
    return csv_text([("actual", "predicted", "probability", "text"), *rows])
