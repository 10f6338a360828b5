"""Who is best on each corpus: experiments ranked by their validation score, never by the test score."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from anamnesis.boards import BOARDS
from anamnesis.errors import AnamnesisError
from anamnesis.report import results, seeds
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
    """A result with its place on its board and corpus; of an experiment repeated with other seeds, that of their mean.

    `rank` counts from 1, the best by validation. `mark` is "best", or "best network" or "best baseline" for the best
    of the kind that did not win, or "".
    """

    result: Result
    rank: int
    mark: str


def table(root: Path = Path(".")) -> list[Row]:
    """All entrants that have metrics: boards and corpora in the order of params.yaml, the best of each first.

    Raises:
        AnamnesisError: as `results.load`, or a metrics file is damaged.
    """
    found = results.load(root)
    if found.damaged:
        raise AnamnesisError(next(iter(found.damaged.values())))
    return rank(found.results)


def rank(entries: Iterable[Result]) -> list[Row]:
    """Rank results within their board and corpus; equal scores are in the order of their names.

    Experiments that differ in nothing but their seed are one row, and compete by the mean of their scores.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for entry in seeds.grouped(entries):
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
    """leaderboard.csv: one line an experiment, the columns of `FIELDS`, an empty cell where a score does not exist.

    An experiment repeated with other seeds has a line for each, with the scores of that one training and the rank of
    them all; the mark stands on the first alone. Where there is one, columns are added: `seed_of` (the experiment that
    the line repeats, itself on the first), `seeds` (how many), and SPLIT_METRIC_mean and _std for each score that was
    repeated, the sample standard deviation.
    """
    rows = list(rows)
    repeated = [row.result for row in rows if row.result.repeats]
    measured = [
        (split, metric)
        for split in SPLITS
        for metric in METRICS
        if any(metric in result.spread[split] for result in repeated)
    ]
    added = [f"{split}_{metric}_{what}" for split, metric in measured for what in ("mean", "std")]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*FIELDS, *(["seed_of", "seeds", *added] if repeated else [])])
    for row in rows:
        for result in row.result.repeats or (row.result,):
            cells = [
                result.task,
                result.board,
                result.corpus,
                row.rank,
                result.experiment,
                row.mark if result.experiment == row.result.experiment else "",
                result.architecture,
                str(result.baseline).lower(),
                result.tokens,
                result.parameters,
                *(result.scores[split].get(metric, "") for split in SPLITS for metric in METRICS),
            ]
            if repeated:
                cells += _over_seeds(row.result, measured)
            writer.writerow(cells)
    return buffer.getvalue()


def _over_seeds(result: Result, measured: list[tuple[str, str]]) -> list[str | int | float]:
    """The cells of the columns that repeated experiments add."""
    if not result.repeats:
        return [""] * (2 + 2 * len(measured))
    cells: list[str | int | float] = [result.experiment, len(result.repeats)]
    for split, metric in measured:
        cells += [result.scores[split].get(metric, ""), result.spread[split].get(metric, "")]
    return cells
