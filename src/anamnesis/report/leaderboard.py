"""Who is best on each corpus: experiments ranked by their validation score, never by the test score."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from anamnesis.report import results
from anamnesis.report.results import SPLITS, Result

METRICS = ("perplexity", "bits_per_character", "accuracy", "top5_accuracy")
FIELDS = (
    "task",
    "corpus",
    "rank",
    "experiment",
    "mark",
    "architecture",
    "baseline",
    "tokens",
    "parameters",
    *(f"{split}_{metric}" for split in SPLITS for metric in METRICS),
)


@dataclass(frozen=True)
class Row:
    """A result with its place on its corpus.

    `rank` counts from 1, the best by validation. `mark` is "best", or "best network" or "best baseline" for the best
    of the kind that did not win, or "".
    """

    result: Result
    rank: int
    mark: str


def table(root: Path = Path(".")) -> list[Row]:
    """All experiments that have metrics: tasks and corpora in the order of params.yaml, the best of each corpus first.

    Raises:
        AnamnesisError: as `results.load`.
    """
    return rank(results.load(root).results)


def rank(entries: Iterable[Result]) -> list[Row]:
    """Rank results within their task and corpus; equal scores are in the order of their names."""
    boards: dict[tuple[str, str], list[Result]] = {}
    for entry in entries:
        boards.setdefault((entry.task, entry.corpus), []).append(entry)
    tasks = list(dict.fromkeys(task for task, _ in boards))
    rows = []
    for _, board in sorted(boards.items(), key=lambda item: tasks.index(item[0][0])):
        board.sort(key=lambda result: (result.ranking(), result.experiment))
        marks = {board[0].experiment: "best"}
        for baseline in (False, True):
            kind = [result.experiment for result in board if result.baseline == baseline]
            if kind:
                marks.setdefault(kind[0], "best baseline" if baseline else "best network")
        rows += [Row(result, place, marks.get(result.experiment, "")) for place, result in enumerate(board, 1)]
    return rows


def boards(rows: Iterable[Row]) -> Iterator[tuple[str, str, list[Row]]]:
    """The rows of each task and corpus: (task, corpus, rows)."""
    for (task, corpus), group in groupby(rows, key=lambda row: (row.result.task, row.result.corpus)):
        yield task, corpus, list(group)


def csv_text(rows: Iterable[Row]) -> str:
    """leaderboard.csv: one line an experiment, the columns of `FIELDS`, an empty cell where a score does not exist."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(FIELDS)
    for row in rows:
        result = row.result
        writer.writerow(
            [
                result.task,
                result.corpus,
                row.rank,
                result.experiment,
                row.mark,
                result.architecture,
                str(result.baseline).lower(),
                result.tokens,
                result.parameters,
                *(result.scores[split].get(metric, "") for split in SPLITS for metric in METRICS),
            ]
        )
    return buffer.getvalue()
