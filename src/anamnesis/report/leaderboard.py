"""Who is best on each corpus: experiments ranked by their validation score, never by the test score."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from anamnesis.boards import BOARDS
from anamnesis.report import results
from anamnesis.report.results import SPLITS, Result

# The columns of every board, each once.
METRICS = tuple(dict.fromkeys(metric for board in BOARDS.values() for metric in board.metrics))
FIELDS = (
    "task",
    "board",
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
    """A result with its place on its board and corpus.

    `rank` counts from 1, the best by validation. `mark` is "best", or "best network" or "best baseline" for the best
    of the kind that did not win, or "".
    """

    result: Result
    rank: int
    mark: str


def table(root: Path = Path(".")) -> list[Row]:
    """All experiments that have metrics: boards and corpora in the order of params.yaml, the best of each first.

    Raises:
        AnamnesisError: as `results.load`.
    """
    return rank(results.load(root).results)


def rank(entries: Iterable[Result]) -> list[Row]:
    """Rank results within their board and corpus; equal scores are in the order of their names."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for entry in entries:
        groups.setdefault((entry.board, entry.corpus), []).append(entry)
    order = list(dict.fromkeys(board for board, _ in groups))
    rows = []
    for (board, _), group in sorted(groups.items(), key=lambda item: order.index(item[0][0])):
        sign = -1 if BOARDS[board].higher else 1
        group.sort(key=lambda result: (sign * result.score(), result.experiment))
        marks = {group[0].experiment: "best"}
        for baseline in (False, True):
            kind = [result.experiment for result in group if result.baseline == baseline]
            if kind:
                marks.setdefault(kind[0], "best baseline" if baseline else "best network")
        rows += [Row(result, place, marks.get(result.experiment, "")) for place, result in enumerate(group, 1)]
    return rows


def boards(rows: Iterable[Row]) -> Iterator[tuple[str, list[tuple[str, list[Row]]]]]:
    """The ranked rows by board and corpus: (board, [(corpus, rows), ...])."""
    for board, group in groupby(rows, key=lambda row: row.result.board):
        yield board, [(corpus, list(part)) for corpus, part in groupby(group, key=lambda row: row.result.corpus)]


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
                result.board,
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
