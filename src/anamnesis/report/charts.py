"""The charts as Vega-Lite specifications: plain data without a colour of their own, so that a page can theme them."""

import math
from collections.abc import Iterable
from typing import Any

from anamnesis.report.leaderboard import Row
from anamnesis.report.results import Epoch

Spec = dict[str, Any]

# Beyond this ratio of the highest to the lowest perplexity a linear axis would press the good models flat.
LOG_RATIO = 4.0


def bits(rows: list[Row]) -> Spec:
    """Bars of bits per character, best first: the bar is the validation score, the tick the test score.

    The marks have the styles `network`, `baseline`, `best` and `test`, for whoever draws the chart to colour.
    """
    values: list[Spec] = [
        {
            "experiment": row.result.experiment,
            "architecture": row.result.architecture,
            "role": "best" if row.mark == "best" else "baseline" if row.result.baseline else "network",
            "valid": row.result.scores["valid"]["bits_per_character"],
            "test": row.result.scores["test"]["bits_per_character"],
        }
        for row in rows
    ]
    # Below one bit the bars shrink instead of filling the chart: a learnt toy has next to no bits left.
    highest = max(1.0, *(max(value["valid"], value["test"]) for value in values))
    names = [value["experiment"] for value in values]
    prefix = f"{rows[0].result.corpus}-"
    short = (
        f"substring(datum.label, {len(prefix)})" if all(name.startswith(prefix) for name in names) else "datum.label"
    )
    tooltip = [
        {"field": "experiment", "type": "nominal"},
        {"field": "architecture", "type": "nominal"},
        {"field": "valid", "type": "quantitative", "format": ".3f", "title": "validation"},
        {"field": "test", "type": "quantitative", "format": ".3f", "title": "test"},
    ]

    def horizontal(field: str) -> Spec:
        scale = {"domain": [0, highest * 1.18], "nice": False}
        return {"field": field, "type": "quantitative", "axis": None, "scale": scale}

    bars = [
        {
            "transform": [{"filter": {"field": "role", "equal": role}}],
            "mark": {"type": "bar", "style": role, "height": {"band": 0.72}, "cornerRadiusEnd": 3},
            "encoding": {"x": horizontal("valid"), "tooltip": tooltip},
        }
        for role in ("best", "network", "baseline")
    ]
    return {
        "description": f"Bits per character on {rows[0].result.corpus}, lower is better: "
        + ", ".join(f"{value['experiment']} {value['valid']:.3f}" for value in values),
        "width": "container",
        "height": {"step": 26},
        "data": {"values": values},
        "encoding": {
            "y": {
                "field": "experiment",
                "type": "nominal",
                "sort": names,
                "axis": {"title": None, "domain": False, "ticks": False, "labelExpr": short, "labelLimit": 190},
            }
        },
        "layer": [
            *bars,
            {
                "mark": {"type": "tick", "style": "test", "thickness": 2, "size": 18},
                "encoding": {"x": horizontal("test"), "tooltip": tooltip},
            },
            {
                "transform": [{"calculate": "max(datum.valid, datum.test)", "as": "end"}],
                "mark": {"type": "text", "style": "label", "align": "left", "dx": 6},
                "encoding": {
                    "x": horizontal("end"),
                    "text": {"field": "valid", "type": "quantitative", "format": ".3f"},
                },
            },
        ],
    }


def curves(rows: list[Row], epochs: dict[str, list[Epoch]]) -> Spec | None:
    """Training and validation perplexity by epoch: a colour a network, a ring at its best epoch, a line a baseline.

    `epochs[experiment]` is a network's learning curve. Colours follow the order of `epochs`. The parameter `highlight`
    names the one experiment to bring out. None when no network has a curve.
    """
    points: list[Spec] = [
        {"experiment": name, "epoch": epoch.epoch, "split": split, "perplexity": value}
        for name, curve in epochs.items()
        for epoch in curve
        for split, value in (("training", epoch.train_perplexity), ("validation", epoch.valid_perplexity))
        if value is not None and math.isfinite(value) and value > 0
    ]
    if not points:
        return None
    floors: list[Spec] = [
        {
            "experiment": row.result.experiment,
            "perplexity": row.result.scores["valid"]["perplexity"],
            "label": f"{row.result.experiment}  {row.result.scores['valid']['perplexity']:.4g}",
        }
        for row in rows
        if row.result.baseline
    ]
    kept = [
        min(curve, key=lambda point: point["perplexity"])
        for name in epochs
        if (curve := [point for point in points if point["experiment"] == name and point["split"] == "validation"])
    ]
    names = list(epochs)
    last = max(point["epoch"] for point in points)
    first = min(point["epoch"] for point in points)
    opacity = {
        "condition": {"test": "highlight === null || datum.experiment === highlight", "value": 1},
        "value": 0.12,
    }
    vertical: Spec = {"field": "perplexity", "type": "quantitative", **_vertical_axis([*points, *floors])}
    tooltip = [
        {"field": "experiment", "type": "nominal"},
        {"field": "epoch", "type": "quantitative"},
        {"field": "split", "type": "nominal"},
        {"field": "perplexity", "type": "quantitative", "format": ".4~g"},
    ]
    lines: Spec = {
        "x": {
            "field": "epoch",
            "type": "quantitative",
            "axis": {"tickMinStep": 1, "format": "d", "grid": False},
            "scale": {"domain": [first, max(last, first + 1)], "nice": False},
        },
        "y": vertical,
        "color": {"field": "experiment", "type": "nominal", "scale": {"domain": names}, "legend": None},
        "opacity": opacity,
    }
    dash = {
        "field": "split",
        "type": "nominal",
        "scale": {"domain": ["training", "validation"], "range": [[5, 4], [1, 0]]},
        "legend": None,
    }
    return {
        "description": "Training and validation perplexity after each epoch, lower is better: "
        + ", ".join(f"{name} ends at {_last(curve)}" for name, curve in epochs.items() if curve),
        "width": "container",
        "height": 340,
        "params": [{"name": "highlight", "value": None}],
        "layer": [
            {
                "data": {"values": floors},
                "mark": {"type": "rule", "style": "floor"},
                "encoding": {"y": vertical, "opacity": opacity, "tooltip": [tooltip[0], tooltip[3]]},
            },
            {
                "data": {"values": floors},
                "mark": {"type": "text", "style": "label", "align": "right", "dy": -6, "dx": -4},
                "encoding": {
                    "x": {"value": "width"},
                    "y": vertical,
                    "text": {"field": "label"},
                    "opacity": opacity,
                },
            },
            {
                "data": {"values": points},
                "mark": {"type": "line", "strokeWidth": 2, "clip": True},
                "encoding": {**lines, "strokeDash": dash},
            },
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 18},
                "encoding": lines,
            },
            {
                "data": {"values": kept},
                "mark": {"type": "point", "filled": False, "size": 110, "strokeWidth": 2},
                "encoding": lines,
            },
            {
                # A generous invisible target: the pointer need not hit the line itself.
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 220, "opacity": 0},
                "encoding": {**{key: lines[key] for key in ("x", "y")}, "tooltip": tooltip},
            },
        ],
    }


def _last(curve: list[Epoch]) -> str:
    value = curve[-1].valid_perplexity
    return "no number" if value is None else f"{value:.4g}"


def _vertical_axis(points: Iterable[dict[str, Any]]) -> Spec:
    """A perplexity axis: logarithmic with ticks at 1, 2, 5, 10 ... where values spread beyond `LOG_RATIO`."""
    values = [point["perplexity"] for point in points]
    low, high = min(values), max(values)
    if high / low < LOG_RATIO:
        margin = 0.06 * (high - low) or 0.1 * high
        return {
            "axis": {"title": "perplexity", "tickCount": 6},
            "scale": {"domain": [low - margin, high + margin], "zero": False, "nice": False},
        }
    low, high = low / 1.1, high * 1.25
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    # Ten decades and more happen when a model diverges: then powers of ten are enough.
    steps = (1, 2, 5) if len(decades) < 6 else (1,)
    ticks = [step * 10**decade for decade in decades for step in steps if low <= step * 10**decade <= high]
    return {
        "axis": {"title": "perplexity (logarithmic)", "values": ticks, "format": "~s" if high > 1e5 else "~g"},
        "scale": {"type": "log", "domain": [low, high], "nice": False},
    }
