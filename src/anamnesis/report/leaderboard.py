"""The leaderboard: experiments ranked by their validation score, never by their test score."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from anamnesis.boards import BOARDS, Question, entrants, leading
from anamnesis.errors import AnamnesisError
from anamnesis.report import results
from anamnesis.report.results import SPLITS, Result

METRICS = tuple(dict.fromkeys(metric for board in BOARDS.values() for metric in board.metrics))


@dataclass(frozen=True)
class Row:
    """A result with its rank.

    Attributes:
        rank: counts from 1, the best by validation.
        mark: "best", "best network" or "best baseline" (the best of the kind that did not win), or "".
        asked: describes the question, if the corpus has several; else "".
    """

    result: Result
    rank: int
    mark: str
    asked: str = ""


class Group(NamedTuple):
    """Rows that compete, best first: they answered the same question about one corpus."""

    task: str
    corpus: str
    asked: str
    rows: list[Row]

    @property
    def name(self) -> str:
        """The corpus, and the question if the corpus has several."""
        return f"{self.corpus}: {self.asked}" if self.asked else self.corpus


def table(root: Path = Path(".")) -> list[Row]:
    """The rows of all leaderboards: tasks and corpora in the order of params.yaml, the best experiment first.

    Raises:
        AnamnesisError: as `results.load`, or a metrics file is damaged.
    """
    loaded = results.load(root)
    if loaded.damaged:
        raise AnamnesisError(next(iter(loaded.damaged.values())))
    return rank(loaded.results)


def average_seeds(entries: Iterable[Result]) -> list[Result]:
    """The results, with repetitions of an experiment merged: means, standard deviations, and the first one's files.

    A score that some repetition lacks is left out.
    """
    by_name = {entry.experiment: entry for entry in entries}
    groups = entrants({name: entry.settings for name, entry in by_name.items()})
    return [_average([by_name[name] for name in names]) for names in groups]


def _average(members: list[Result]) -> Result:
    if len(members) == 1:
        return members[0]
    from pandas import DataFrame

    frames = {split: DataFrame([each.scores[split] for each in members]).dropna(axis=1) for split in SPLITS}
    return replace(
        members[0],
        scores={split: dict(zip(map(str, frame), frame.mean(), strict=True)) for split, frame in frames.items()},
        spread={split: dict(zip(map(str, frame), frame.std(), strict=True)) for split, frame in frames.items()},
        repeats=tuple(members),
    )


def rank(entries: Iterable[Result]) -> list[Row]:
    """Rank results that answered the same question; equal scores are ordered by name."""
    questions: dict[Question, list[Result]] = {}
    for entry in entries:
        questions.setdefault(entry.question, []).append(entry)
    groups = {question: average_seeds(members) for question, members in questions.items()}
    asked = _describe(groups)
    rows = []
    for question in sorted(groups, key=_order(groups).__getitem__):
        sign = -1 if BOARDS[question.task].higher else 1
        group = sorted(groups[question], key=lambda result: (sign * result.score, result.experiment))
        marks = {group[0].experiment: "best"}
        for baseline, mark in ((False, "best network"), (True, "best baseline")):
            first = next((result.experiment for result in group if result.baseline == baseline), "")
            marks.setdefault(first, mark)
        rows += [
            Row(result, place, marks.get(result.experiment, ""), asked[question])
            for place, result in enumerate(group, 1)
        ]
    return rows


def _order(groups: dict[Question, list[Result]]) -> dict[Question, tuple[int, ...]]:
    """Sort keys of questions: tasks and corpora by first appearance, the question with the most entrants first."""
    tasks = list(dict.fromkeys(question.task for question in groups))
    corpora = list(dict.fromkeys(question[:2] for question in groups))
    first = set(leading({question: len(group) for question, group in groups.items()}).values())
    return {
        question: (tasks.index(question.task), corpora.index(question[:2]), question not in first, number)
        for number, question in enumerate(groups)
    }


def _describe(groups: dict[Question, list[Result]]) -> dict[Question, str]:
    """A description of each question that has others beside it on the same task and corpus; else ""."""
    words = {question: group[0].asked for question, group in groups.items()}
    described = {}
    for question, asked in words.items():
        others = [words[other] for other in words if other[:2] == question[:2] and other != question]
        digests = f" (digests {question.valid[:8]}, {question.test[:8]})" if asked in others else ""
        described[question] = f"{asked}{digests}" if others else ""
    return described


def boards(rows: Iterable[Row]) -> Iterator[tuple[str, list[Group]]]:
    """The rows by task, and within each by corpus and question."""
    for task, of_task in groupby(rows, key=lambda row: row.result.task):
        parts = [list(part) for _, part in groupby(of_task, key=lambda row: row.result.question)]
        yield task, [Group(task, part[0].result.corpus, part[0].asked, part) for part in parts]


def csv_text(rows: Iterable[Row]) -> str:
    """leaderboard.csv: one line an experiment; an empty cell is a score that does not exist.

    Repetitions with other seeds have a line each, with their own scores and the rank of the mean; the mark stands on
    the first. If any experiment was repeated, further columns follow: `seed_of` (the first experiment), `seeds`, and
    SPLIT_METRIC_mean and SPLIT_METRIC_std (sample standard deviation).
    """
    from pandas import DataFrame

    lines = [_line(row, result) for row in rows for result in row.result.repeats or (row.result,)]
    columns = dict.fromkeys(key for line in lines for key in line)
    extra = [key for key in columns if key in ("seed_of", "seeds") or key.endswith(("_mean", "_std"))]
    scores = [f"{split}_{metric}" for split in SPLITS for metric in METRICS]
    first = [key for key in columns if key not in (*scores, *extra)]
    statistics = [f"{score}_{what}" for score in scores for what in ("mean", "std")]
    order = [*first, *scores, *(("seed_of", "seeds") if extra else ()), *(each for each in statistics if each in extra)]
    text: str = DataFrame(lines, columns=order, dtype=object).to_csv(index=False, lineterminator="\n")
    return text


def _line(row: Row, result: Result) -> dict[str, object]:
    mean = row.result
    line: dict[str, object] = {
        "task": result.task,
        "corpus": result.corpus,
        "question": result.asked,
        "rank": row.rank,
        "experiment": result.experiment,
        "mark": row.mark if result.experiment == mean.experiment else "",
        "architecture": result.architecture,
        "baseline": str(result.baseline).lower(),
        "tokens": result.tokens,
        "parameters": result.parameters,
    }
    line |= {f"{split}_{metric}": result.scores[split].get(metric) for split in SPLITS for metric in METRICS}
    if mean.repeats:
        line |= {"seed_of": mean.experiment, "seeds": len(mean.repeats)}
        for split in SPLITS:
            for metric in set(METRICS) & mean.spread[split].keys():
                line |= {f"{split}_{metric}_mean": mean.scores[split][metric]}
                line |= {f"{split}_{metric}_std": mean.spread[split][metric]}
    return line
