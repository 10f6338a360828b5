"""The best model of each task and corpus by its validation score: the content of reports/registry.json."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from anamnesis.boards import BOARDS, Question, entrants, leading, question_of
from anamnesis.errors import AnamnesisError
from anamnesis.params import Params
from anamnesis.tracking.results import Result, read, read_json
from anamnesis.tracking.store import registered_name


@dataclass(frozen=True)
class Registered:
    """The state of one registered model.

    Attributes:
        model: its name in MLflow.
        experiment: the experiment with the best validation score.
        metric, score: the ranking metric, and its value on the validation split.
        challenger, champion: version numbers; None if MLflow was not asked.
        note: a remark for the user.
        changed: whether there is a new version, or an alias was moved.
    """

    model: str
    experiment: str
    metric: str
    score: float
    challenger: str | None = None
    champion: str | None = None
    note: str = ""
    changed: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        text = f"{self.experiment}, valid {self.metric} {self.score:.6g}"
        if self.challenger:
            text += f", challenger version {self.challenger}, champion version {self.champion}"
        if self.challenger != self.champion:
            text += f" until `anamnesis promote {self.model}`"
        return f"{text}; {self.note}" if self.note else text


def select_best(params: Params, root: Path = Path()) -> dict[str, list[dict[str, Any]]]:
    """The best experiment of each task and corpus by its validation score.

    Experiments rank only against experiments that answered the same question. If the experiments of a task and corpus
    answered several questions, `models` has the best answer to the question with the most entrants (the first in
    params.yaml if several have as many), and `left_out` has the best answers to the others.

    Experiments that differ only in their seed compete by their mean score, and the best of them is the candidate.
    Models with equal scores rank by their number of parameters, then by name. An experiment is no candidate if it is
    not trained or not evaluated, or if its metrics lack a question or a finite score.
    """
    best: dict[Question, tuple[tuple[float, float, str], dict[str, Any]]] = {}
    sizes: dict[Question, int] = {}
    for group in entrants(params.experiments):
        candidates: dict[Question, list[tuple[dict[str, Any], float]]] = {}
        for name in group:
            if candidate := _candidate(name, root):
                question, entry, parameters = candidate
                candidates.setdefault(question, []).append((entry, parameters))
        for question, entries in candidates.items():
            sign = -1 if BOARDS[question.task].higher else 1
            entry, parameters = min(entries, key=lambda each: sign * each[0]["score"])
            rank = (sign * fmean(each["score"] for each, _ in entries), parameters, group[0])
            sizes[question] = sizes.get(question, 0) + 1
            if question not in best or rank < best[question][0]:
                best[question] = (rank, entry)
    first = leading(sizes).values()
    ordered = sorted(best, key=lambda question: str(best[question][1]["model"]))
    return {
        "models": [best[question][1] for question in ordered if question in first],
        "left_out": [best[question][1] for question in ordered if question not in first],
    }


def _candidate(name: str, root: Path) -> tuple[Question, dict[str, Any], float] | None:
    """The question that an experiment answered, its entry in reports/registry.json, and its number of parameters."""
    result = read(name, root)
    if result is None or result.metrics is None:
        return None
    board = BOARDS.get(result.card["task"])
    if board is None or not board.registered or (score := ranking_score(result, "valid")) is None:
        return None
    try:
        question, asked = question_of(result.card["task"], result.card["corpus"], result.metrics)
    except (KeyError, TypeError):
        return None
    entry = {
        "model": f"{result.card['task']}-{result.card['corpus']}",
        "task": result.card["task"],
        "corpus": result.card["corpus"],
        "question": asked,
        "experiment": name,
        "fingerprint": result.fingerprint,
        "metric": board.metric,
        "score": score,
    }
    return question, entry, float(result.card.get("parameters") or 0)


def ranking_score(result: Result, split: str) -> float | None:
    """The value of the metric that ranks the result's task, or None if it is missing or not a finite number."""
    value = ((result.metrics or {}).get(split) or {}).get(BOARDS[result.card["task"]].metric)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def read_selection(root: Path = Path()) -> list[Registered]:
    """The models in reports/registry.json, without asking MLflow.

    Raises:
        AnamnesisError: the file is damaged.
    """
    path = root / "reports" / "registry.json"
    entries = _content(root).get("models")
    keys = {"model", "experiment", "fingerprint", "metric", "score"}
    if not isinstance(entries, list) or not all(isinstance(e, dict) and keys <= e.keys() for e in entries):
        raise AnamnesisError(f"{path}: not a list of registered models; run `dvc repro register`")
    # The file does not name the profile: it depends only on results, which two profiles may share.
    return [Registered(registered_name(root, e["model"]), e["experiment"], e["metric"], e["score"]) for e in entries]


def describe_left_out(root: Path = Path()) -> list[str]:
    """A line for each model that is left out because more experiments answered another question."""
    return [
        f"{entry['model']}: not registered: {entry['experiment']}, the best of those asked {entry['question']!r}; "
        "more experiments were asked something else"
        for entry in _content(root).get("left_out", [])
    ]


def _content(root: Path) -> dict[str, Any]:
    path = root / "reports" / "registry.json"
    return read_json(path) if path.is_file() else {"models": []}
