"""The comparisons of expectations.yaml: a few experiments side by side, with scores, settings and learning curves."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anamnesis.report import charts, claims, formats, results
from anamnesis.report.charts import Figure
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import SPLITS, Curve, Result

# A learning curve is steadier than another one if it fluctuates less by a tenth: one training of each is compared.
CLEARLY = 0.9


class Compared(NamedTuple):
    """A comparison, ready for its template.

    `rows` has the experiments, `fluctuations` how steady their learning curves are; `text` explains both.
    """

    title: str
    metric: str
    experiments: list[str]
    rows: list[dict[str, str]]
    figure: Figure | None
    fluctuations: list[dict[str, str]]
    text: str


def compare(root: Path, rows: list[Row], listed: Sequence[claims.Comparison] | None = None) -> list[Compared]:
    """The comparisons of which at least two experiments are among `rows`, those of one corpus.

    Raises:
        AnamnesisError: a learning curve is damaged.
    """
    comparisons = []
    for comparison in claims.read().comparisons if listed is None else listed:
        metric = comparison.metric
        by_name = {row.result.experiment: row for row in rows if metric in row.result.scores["test"]}
        shown = [by_name[name] for name in comparison.experiments if name in by_name]
        if len(shown) < 2:
            continue
        members = [row.result for row in shown]
        figure = draw_curves(root, shown, metric, comparison.title) if comparison.curves else None
        measured = [fluctuation(root, each.experiment) for each in members] if comparison.fluctuation else []
        steady = [each for each in measured if each]
        comparisons.append(
            Compared(
                comparison.title,
                metric,
                [each.experiment for each in members],
                [_row(members[0], each, metric) for each in members],
                figure,
                [_fluctuation_row(each) for each in steady],
                " ".join(filter(None, (comparison.text, _noise(members[0], metric), _steadiest(steady)))),
            )
        )
    return comparisons


def draw_curves(root: Path, rows: list[Row], measure: str | None, title: str) -> Figure | None:
    """The learning curves of experiments in one measure, with those of their repetitions; None without curves."""
    learnt, repeats = read_curves(root, rows, measure)
    return charts.curves(rows, learnt, repeats, title)


def read_curves(root: Path, rows: list[Row], measure: str | None) -> tuple[dict[str, Curve], dict[str, list[Curve]]]:
    """The learning curves of networks by experiment, and those of their repetitions with other seeds."""
    learnt, repeats = {}, {}
    for result in (row.result for row in rows if not row.result.baseline):
        if curve := results.curve(root, result.experiment, measure):
            learnt[result.experiment] = curve
            others = (results.curve(root, each.experiment, measure) for each in result.repeats[1:])
            repeats[result.experiment] = [other for other in others if other]
    return learnt, repeats


def fluctuation(root: Path, experiment: str) -> dict[str, Any] | None:
    """How steady the validation perplexity of an experiment is after the first third of its epochs.

    Returns:
        `fluctuation`, the mean distance of log perplexity from the line through the epochs before and after; `rises`,
        how often perplexity rose in so many `steps`; and the `largest` rise. 0.01 is one per cent. None if fewer than
        three epochs count.

    Raises:
        AnamnesisError: the learning curve is damaged.
    """
    curve = results.curve(root, experiment, "perplexity")
    values = [] if curve is None else [value for value in curve.epochs["valid"] if charts.drawable(value)]
    logs = np.log(values[len(values) // 3 :])
    if len(logs) < 3:
        return None
    changes = np.diff(logs)
    strayed = [abs(after - before) / 2 for before, after in pairwise(changes)]
    return {
        "experiment": experiment,
        "fluctuation": float(np.mean(strayed)),
        "rises": int((changes > 0).sum()),
        "steps": len(changes),
        "largest": max(0.0, float(np.expm1(changes.max()))),
    }


def is_steadier(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether one learning curve fluctuates clearly less than another."""
    return bool(one["fluctuation"] < CLEARLY * other["fluctuation"])


def _fluctuation_row(measured: dict[str, Any]) -> dict[str, str]:
    return {
        "experiment": measured["experiment"],
        "fluctuation": formats.percent(measured["fluctuation"]),
        "rises": f"{measured['rises']} of {measured['steps']}",
        "largest rise": formats.percent(measured["largest"]) if measured["rises"] else "–",
    }


def _steadiest(measured: list[dict[str, Any]]) -> str:
    """A sentence on the steadiest learning curve, if it is clearly steadier than the others."""
    if len(measured) < 2:
        return ""
    first, *others = sorted(measured, key=lambda each: each["fluctuation"])
    if is_steadier(first, others[0]):
        return f"In this one training of each, {first['experiment']} is steadier."
    return "In this one training of each, none is clearly steadier."


def _row(first: Result, other: Result, metric: str) -> dict[str, str]:
    row = {
        "experiment": other.experiment,
        "different settings": ", ".join(_changes(first, other)) or "–",
        "parameters": formats.count(other.parameters),
    }
    for split, name in zip(SPLITS, ("Validation", "Test"), strict=True):
        base, score = first.scores[split][metric], other.scores[split][metric]
        row[name] = formats.score(metric, score)
        row[f"difference, {name.lower()}"] = "–" if other is first else formats.signed(metric, score - base, base)
    return row


def _changes(first: Result, other: Result) -> list[str]:
    """The settings of `other` that differ from those of `first`, such as "layers: 1 → 2"."""
    before, after = (_flatten(each.settings.model_dump()) for each in (first, other))
    return [
        f"{key.rpartition('.')[2]}: {_show(before.get(key))} → {_show(after.get(key))}"
        for key in dict.fromkeys((*before, *after))
        if before.get(key) != after.get(key)
    ]


def _show(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _flatten(settings: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings as one level, with keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flatten(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return flat


def _noise(result: Result, metric: str) -> str:
    """The standard error of an accuracy, if the number of test documents is known."""
    scores = result.scores["test"]
    if metric != "accuracy" or "documents" not in scores:
        return ""
    error = (scores[metric] * (1 - scores[metric]) / scores["documents"]) ** 0.5
    return (
        f"Each was trained once, and an accuracy on {formats.count(int(scores['documents']))} test documents has a "
        f"standard error of {formats.difference(metric, error)}: smaller differences say nothing."
    )
