"""Who is best on each corpus: experiments ranked by their validation score, never by the test score."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from anamnesis.boards import BOARDS, Question, leading
from anamnesis.errors import AnamnesisError
from anamnesis.report import results, seeds
from anamnesis.report.results import SPLITS, Result

# The columns of every board, each once.
METRICS = tuple(dict.fromkeys(metric for board in BOARDS.values() for metric in board.metrics))
FIELDS = (
    "task",
    "corpus",
    "question",
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
    of the kind that did not win, or "". `asked` says in words what was asked, where the corpus has several questions
    on this board; else it is "".
    """

    result: Result
    rank: int
    mark: str
    asked: str = ""


class Group(NamedTuple):
    """Rows that rank against each other, best first, all asked the same of one corpus; `asked` as in `Row`."""

    corpus: str
    asked: str
    rows: list[Row]

    @property
    def name(self) -> str:
        """The corpus, and what was asked where that tells it from another group."""
        return f"{self.corpus}: {self.asked}" if self.asked else self.corpus


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
    """Rank results among those that were asked the same question; equal scores are in the order of their names.

    Experiments that differ in nothing but their seed are one row, and compete by the mean of their scores. Of a corpus
    with several questions the one with the most entrants comes first.
    """
    asked: dict[Question, list[Result]] = {}
    for entry in entries:
        asked.setdefault(entry.question, []).append(entry)
    groups = {question: seeds.grouped(members) for question, members in asked.items()}
    order = _order(groups)
    words = _in_words(groups)
    rows = []
    for question in sorted(groups, key=order.__getitem__):
        group = groups[question]
        sign = -1 if BOARDS[question.task].higher else 1
        group.sort(key=lambda result: (sign * result.score(), result.experiment))
        marks = {group[0].experiment: "best"}
        for baseline in (False, True):
            kind = [result.experiment for result in group if result.baseline == baseline]
            if kind:
                marks.setdefault(kind[0], "best baseline" if baseline else "best network")
        rows += [
            Row(result, place, marks.get(result.experiment, ""), words[question])
            for place, result in enumerate(group, 1)
        ]
    return rows


def _order(groups: dict[Question, list[Result]]) -> dict[Question, tuple[int, ...]]:
    """Where each question stands: boards and corpora as they are first met, the leading question of a corpus first."""
    boards = list(dict.fromkeys(question.task for question in groups))
    corpora = list(dict.fromkeys((question.task, question.corpus) for question in groups))
    first = leading({question: len(group) for question, group in groups.items()})
    return {
        question: (
            boards.index(question.task),
            corpora.index((question.task, question.corpus)),
            int(first[question.task, question.corpus] != question),
            number,
        )
        for number, question in enumerate(groups)
    }


def _in_words(groups: dict[Question, list[Result]]) -> dict[Question, str]:
    """What each question asks, where its corpus has another one on the board; else an empty text.

    Questions that words do not tell apart, such as those of two versions of a text, are told apart by their digests.
    """
    words = {question: group[0].asked for question, group in groups.items()}
    found = {}
    for question, asked in words.items():
        rivals = [other for other in words if other[:2] == question[:2] and other != question]
        digests = f" (digests {question.valid[:8]}, {question.test[:8]})"
        is_alike = asked in [words[other] for other in rivals]
        found[question] = f"{asked}{digests if is_alike else ''}" if rivals else ""
    return found


def boards(rows: Iterable[Row]) -> Iterator[tuple[str, list[Group]]]:
    """The ranked rows by board, and on each board by corpus and question."""
    for board, group in groupby(rows, key=lambda row: row.result.task):
        parts = [list(part) for _, part in groupby(group, key=lambda row: row.result.question)]
        yield board, [Group(part[0].result.corpus, part[0].asked, part) for part in parts]


def csv_text(rows: Iterable[Row]) -> str:
    """leaderboard.csv: one line an experiment, the columns of `FIELDS`, an empty cell where a score does not exist.

    `question` is what was asked, in words.

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
                result.corpus,
                result.asked,
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
