"""How series are forecast: all of a series with one-step forecasts, a free-running forecast, and errors by horizon."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anamnesis.report import charts, formats, results
from anamnesis.report.charts import Figure, Spec
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import Result

# How people call the parts of a series where there is little room, and how moments are written.
PARTS = {"train": "training", "valid": "valid.", "test": "test"}
DATES = {r"\d{4}-\d{2}": "%Y-%m", r"\d{4}-\d{2}-\d{2}": "%Y-%m-%d"}
# The axis of times that are drawn by their place.
PLACES: Spec = {
    "type": "quantitative",
    "scale": {"zero": False, "nice": False},
    "axis": {"title": "place in the series", "format": "d", "grid": False},
}
# A line is one or two pixels wide: more digits of a value are not seen.
DIGITS = 4


@dataclass(frozen=True)
class Forecasts:
    """What the page says of one series besides its leaderboard; None or empty for what no evaluation left.

    `best` is the experiment whose forecasts are drawn unless another is chosen.
    """

    best: str
    series: Figure | None
    free: Figure | None
    horizons: Figure | None
    text: str


def forecasts(root: Path, ranked: list[Row], order: list[str]) -> Forecasts | None:
    """Of one corpus of the board `forecast`, best first; None on any other board. Colours follow the `order`.

    Raises:
        AnamnesisError: a file of an evaluation is damaged.
    """
    # Forecasts of word numbers are shown as text, not as curves.
    models = [row.result for row in ranked if "rmse_free_running" in row.result.scores["valid"]]
    if not models:
        return None
    models.sort(key=lambda model: model.baseline)
    best = models[0].experiment
    # Networks have colours; without any, what there is has them.
    inorder = sorted(
        (model for model in models if model.baseline == models[0].baseline),
        key=lambda model: order.index(model.experiment),
    )
    every = [*inorder, *(model for model in models if model not in inorder)]
    stepwise = {model.experiment: found for model in every if (found := _steps(root, model.experiment))}
    return Forecasts(
        best,
        series(root, inorder, best),
        free(root, inorder, best),
        horizons(every, stepwise),
        told(models, stepwise),
    )


def series(root: Path, models: list[Result], best: str) -> Figure | None:
    """The whole series with the one-step forecasts of one model: of `best`, or of the one brought out.

    The values are in the chart once, as CSV, with a column of forecasts for each of `models`. Times that are neither
    months, days nor numbers are drawn by their place in the series.
    """
    fields: dict[str, type[str | float]] = {"split": str, "time": str, "value": float, "forecast": float}
    # Equal times are told apart, and places counted, from the end of a split: models that read more begin later in it.
    moments: dict[tuple[str, str, int], dict[str, Any]] = {}
    for model in models:
        later: Counter[tuple[str, str]] = Counter()
        places: Counter[str] = Counter()
        for row in reversed(results.table(root, model.experiment, "forecasts.csv", fields)):
            split, time = row["split"], row["time"]
            later[split, time] += 1
            places[split] += 1
            moment = {"time": time, "value": row["value"], "place": -places[split]}
            own = moments.setdefault((split, time, later[split, time]), moment)
            own[model.experiment] = row["forecast"]
    names = [model.experiment for model in models if any(model.experiment in own for own in moments.values())]
    if not names:
        return None
    best = best if best in names else names[0]
    # They were read from the end.
    order = list(dict.fromkeys(split for split, _, _ in reversed(moments)))
    rows = [(split, own) for (split, _, _), own in moments.items()]
    rows.sort(key=lambda row: (order.index(row[0]), row[1]["place"]))
    first, last = rows[0][1]["time"], rows[-1][1]["time"]
    try:
        form, encoding, ordered = _time([own["time"] for _, own in rows])
        rows.sort(key=lambda row: ordered(row[1]["time"]))
        first, last = rows[0][1]["time"], rows[-1][1]["time"]
    except ValueError:
        form, encoding = "", PLACES
        for place, (_, own) in enumerate(rows):
            own["time"] = str(place)
    parts = list(dict.fromkeys(split for split, _ in rows))
    starts = [(part, next(own["time"] for split, own in rows if split == part)) for part in parts]
    lines = [",".join(("time", "part", "value", *names))]
    for split, own in rows:
        shown = (_short(own.get(name)) for name in ("value", *names))
        lines.append(",".join((own["time"], str(parts.index(split)), *shown)))
    x: Spec = {"field": "time", **encoding}
    y: Spec = {"type": "quantitative", "axis": {"title": "value", "tickCount": 5}, "scale": {"zero": False}}
    chosen = f"highlight === null ? '{best}' : highlight"
    # A boundary stands where a part begins; the first has none.
    boundaries = [{"time": time, "label": PARTS.get(part, part)} for part, time in starts]
    read = [{"calculate": f"utcParse(datum.time, '{form}')" if form else "toNumber(datum.time)", "as": "time"}]
    numbers = dict.fromkeys(("part", "value", *names), "number")
    spec: Spec = {
        "description": f"The series and one-step forecasts, {', then '.join(PARTS.get(part, part) for part in parts)}: "
        f"{formats.count(len(rows))} values from {first} to {last}",
        "width": "container",
        "height": 260,
        "params": charts.HIGHLIGHT,
        "data": {
            "values": "\n".join(lines) + "\n",
            "format": {"type": "csv", "parse": {"time": f"utc:'{form}'" if form else "number", **numbers}},
        },
        "layer": [
            {
                "mark": {"type": "line", "style": "data", "clip": True},
                "encoding": {"x": x, "y": {**y, "field": "value"}, "detail": {"field": "part"}},
            },
            {
                "transform": [
                    {"calculate": chosen, "as": "experiment"},
                    {"calculate": "datum[datum.experiment]", "as": "forecast"},
                    {"filter": "isValid(datum.forecast)"},
                ],
                "mark": {"type": "line", "strokeWidth": 1.4, "opacity": 0.85, "clip": True},
                "encoding": {
                    "x": x,
                    "y": {**y, "field": "forecast"},
                    "color": _colour(names),
                    "detail": {"field": "part"},
                },
            },
            {
                "data": {"values": boundaries[1:]},
                "transform": read,
                "mark": {"type": "rule", "style": "boundary"},
                "encoding": {"x": x},
            },
            {
                "data": {"values": boundaries},
                "transform": read,
                "mark": {"type": "text", "style": "label", "align": "left", "baseline": "bottom", "dx": 3, "dy": -3},
                "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "label"}},
            },
        ],
    }
    return Figure("The series", charts.legend(names), spec)


def free(root: Path, models: list[Result], best: str) -> Figure | None:
    """The start of the test split: its values, and the one-step and free-running forecasts of one model at a time.

    Of several free-running forecasts it is the first.
    """
    fields: dict[str, type[str | float]] = {
        "origin": float,
        "step": float,
        "time": str,
        "value": float,
        "forecast": float,
    }
    one_step: dict[str, type[str | float]] = {"split": str, "time": str, "forecast": float}
    points: list[Spec] = []
    values: dict[int, Spec] = {}
    for model in models:
        ahead = {
            row["time"]: row["forecast"]
            for row in results.table(root, model.experiment, "forecasts.csv", one_step)
            if row["split"] == "test"
        }
        rows = results.table(root, model.experiment, "free.csv", fields)
        for row in (row for row in rows if row["origin"] == rows[0]["origin"]):
            step = int(row["step"] or 0)
            values[step] = {"step": step, "time": row["time"], "value": _rounded(row["value"])}
            points += [
                {"experiment": model.experiment, "step": step, "kind": kind, "forecast": _rounded(value)}
                for kind, value in (("one-step", ahead.get(row["time"])), ("free-running", row["forecast"]))
                if value is not None
            ]
    names = list(dict.fromkeys(str(point["experiment"]) for point in points))
    if not names:
        return None
    best = best if best in names else names[0]
    inorder = [value for _, value in sorted(values.items())]
    last = inorder[-1]["step"]
    x: Spec = {
        "field": "step",
        "type": "quantitative",
        "axis": {
            "title": f"steps, from {inorder[0]['time']} on",
            "format": "d",
            "grid": False,
        },
        "scale": {"domain": [1, max(2, last)], "nice": False},
    }
    y: Spec = {"type": "quantitative", "axis": {"title": "value", "tickCount": 5}, "scale": {"zero": False}}
    tooltip: list[Spec] = [
        {"field": "time", "type": "nominal"},
        {"field": "step", "type": "quantitative"},
        {"field": "value", "type": "quantitative"},
    ]
    shown = [{"filter": f"datum.experiment === (highlight === null ? '{best}' : highlight)"}]
    spec: Spec = {
        "description": f"The first {last} values of the test data with one-step and free-running forecasts of "
        + ", ".join(names),
        "width": "container",
        "height": 260,
        "params": charts.HIGHLIGHT,
        "layer": [
            {
                "data": {"values": inorder},
                "mark": {"type": "line", "style": "data", "point": False, "strokeWidth": 2},
                "encoding": {"x": x, "y": {**y, "field": "value"}},
            },
            {
                "data": {"values": points},
                "transform": shown,
                "mark": {"type": "line", "strokeWidth": 2, "clip": True},
                "encoding": {
                    "x": x,
                    "y": {**y, "field": "forecast"},
                    "color": _colour(names),
                    "strokeDash": charts.dashed("kind", ["one-step", "free-running"]),
                },
            },
            charts.targets(inorder, x, {**y, "field": "value"}, tooltip),
        ],
    }
    return Figure("Free-running", charts.legend(names), spec)


def horizons(models: list[Result], stepwise: dict[str, list[tuple[int, float]]]) -> Figure | None:
    """RMSE of free-running forecasts by how many steps ahead they look: lines of networks, dotted ones of baselines."""
    points, floors = (
        [
            {"experiment": model.experiment, "step": step, "rmse": _rounded(rmse)}
            for model in models
            if model.baseline == kind
            for step, rmse in stepwise.get(model.experiment, [])
        ]
        for kind in (False, True)
    )
    last = max((step for found in stepwise.values() for step, _ in found), default=None)
    if last is None:
        return None
    x: Spec = {
        "field": "step",
        "type": "quantitative",
        "axis": {"title": "steps ahead", "format": "d", "grid": False},
        "scale": {"domain": [1, max(2, last)], "nice": False},
    }
    y: Spec = {
        "field": "rmse",
        "type": "quantitative",
        "axis": {"title": formats.name("rmse"), "tickCount": 5},
        "scale": {"zero": True},
    }
    tooltip: list[Spec] = [
        {"field": "experiment", "type": "nominal"},
        {"field": "step", "type": "quantitative", "title": "steps ahead"},
        {"field": "rmse", "type": "quantitative", "format": ".4~g", "title": formats.name("rmse")},
    ]
    figure = charts.floored("RMSE by horizon", points, floors, x, y, tooltip, fine=True)
    figure.spec["description"] = "RMSE of free-running forecasts, one step and most steps ahead: " + "; ".join(
        f"{name} {formats.score('rmse', found[0][1])} and {formats.score('rmse', found[-1][1])}"
        for name, found in stepwise.items()
    )
    return figure


def told(models: list[Result], stepwise: dict[str, list[tuple[int, float]]]) -> str:
    """How the error of the best network grows with the horizon, beside that of the best baseline, as measured."""
    sentences = []
    for kind, name in ((False, "network"), (True, "baseline")):
        model = next((each for each in models if each.baseline == kind and each.experiment in stepwise), None)
        if model is None:
            continue
        (_, first), (last, furthest) = stepwise[model.experiment][0], stepwise[model.experiment][-1]
        sentences.append(
            f"The best {name}, {model.experiment}, is off by an RMSE of {formats.score('rmse', first)} one step ahead "
            f"and of {formats.score('rmse', furthest)} at {last} steps, reading its own forecasts."
        )
    return " ".join(sentences)


def _steps(root: Path, experiment: str) -> list[tuple[int, float]]:
    fields: dict[str, type[str | float]] = {"step": float, "rmse": float}
    rows = results.table(root, experiment, "steps.csv", fields)
    return sorted((int(row["step"]), row["rmse"]) for row in rows if None not in row.values())


def _time(times: list[str]) -> tuple[str, Spec, Any]:
    """The format of dates, the encoding of their axis, and a key that sorts them; of numbers, the format is empty.

    Raises:
        ValueError: they are neither.
    """
    for pattern, form in DATES.items():
        if all(re.fullmatch(pattern, time) for time in times):
            # In universal time, so that a month begins in that month wherever the page is read.
            axis = {"title": None, "format": "%Y", "grid": False, "tickCount": 10, "labelOverlap": True}
            return form, {"type": "temporal", "scale": {"type": "utc", "nice": False}, "axis": axis}, str
    if not all(math.isfinite(float(time)) for time in times):
        raise ValueError(times)
    axis = {"title": "time", "format": "~r", "grid": False}
    return "", {"type": "quantitative", "scale": {"zero": False, "nice": False}, "axis": axis}, float


def _colour(names: list[str]) -> Spec:
    return {"field": "experiment", "type": "nominal", "scale": {"domain": names}, "legend": None}


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")


def _short(value: float | None) -> str:
    """A value with as few characters as show it."""
    rounded = _rounded(value)
    return "" if rounded is None else f"{rounded:g}"
