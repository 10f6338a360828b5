"""What evaluations of all tasks share: their result, the question, and writing numbers and tables."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anamnesis import files
from anamnesis.errors import AnamnesisError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

Facts = Mapping[str, Any]


def question(asked: str, valid: Facts, test: Facts) -> dict[str, str]:
    """The question of an evaluation, as metrics/NAME.json states it: scores compare only if their questions are equal.

    Args:
        asked: the question in words, a heading where a corpus has several questions.
        valid: everything that decides what the targets of the validation split are and how their scores are normalised,
            such as digests of the text, settings and counts, but nothing that a model may choose, such as its tokens.
        test: the same for the test split.

    Returns:
        `asked`, and a sha256 of the facts for `valid` and `test`.
    """
    facts = {"valid": valid, "test": test}
    return {"asked": asked, **{split: files.digest(files.canonical_json(each)) for split, each in facts.items()}}


def labels_question(stats: Facts) -> dict[str, str]:
    """The `question` of a document classifier: the label of each document.

    Args:
        stats: content of the token store's stats.json.
    """
    facts = {
        split: {"text_sha256": stats["splits"][split]["text_sha256"], "labels": stats["labels"], "score": "accuracy"}
        for split in ("valid", "test")
    }
    return question(f"the label of every document, one of {len(stats['labels'])}", **facts)


def common_metrics(card: Mapping[str, Any], stats: Mapping[str, Any], question: Mapping[str, str]) -> dict[str, Any]:
    """The entries that metrics/NAME.json has for every task.

    Args:
        card: the model's card.
        stats: content of the token store's stats.json.
        question: the result of `question`.
    """
    copied = ("experiment", "task", "corpus", "tokens", "architecture", "parameters", "fingerprint")
    vocabulary = {key: stats[key] for key in ("vocabulary_size",) if key in stats}
    return {
        **{key: card[key] for key in copied},
        **vocabulary,
        "data": {split: stats["splits"][split]["text_sha256"] for split in ("valid", "test")},
        "question": dict(question),
    }


@dataclass(frozen=True)
class Evaluation:
    """The result of evaluating a model.

    Attributes:
        question: the result of `question`.
        metrics: scores of the splits, `{"valid": {...}, "test": {...}}`, and entries that stand beside them.
        files: contents of the files of predictions/NAME, by relative path.
        summary: text of the stage's last line.
        learning_curve: whether the rows of history.csv are epochs of one training, which curve.csv repeats.
    """

    question: Mapping[str, str]
    metrics: Mapping[str, Any]
    files: Mapping[str, str | bytes]
    summary: str
    learning_curve: bool = True


class Progress:
    """The progress bar of one stage, to which a task tells how much there is and how much is done."""

    def __init__(self, bar: "Bar", title: str) -> None:
        self._bar, self._task = bar, bar.add_task(title, total=None)

    def begin(self, total: int) -> None:
        """Set the number of steps."""
        self._bar.update(self._task, total=total)

    def advance(self, steps: int = 1) -> None:
        """Add finished steps."""
        self._bar.advance(self._task, steps)


def round_score(value: float) -> float:
    """The value to 6 significant digits, as metrics are stored."""
    return float(f"{value:.6g}")


def curve_csv(history: Path, name: str) -> str:
    """The rows of history.csv with a column `experiment` before them.

    Raises:
        AnamnesisError: the file cannot be read.
    """
    try:
        with open(history, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise AnamnesisError(f"{history}: cannot be read: {error}; run `anamnesis repro {name}`") from None
    return csv_text([["experiment", *rows[0]], *([name, *row] for row in rows[1:])])


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as the content of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
