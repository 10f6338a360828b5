"""The charts as Vega-Lite specifications: plain data without a colour of their own, so that a page can theme them."""

import json
import math
from dataclasses import dataclass
from typing import Any

from anamnesis.boards import BOARDS
from anamnesis.report import formats
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import Attention, Curve

Spec = dict[str, Any]

# As many colours as style.css defines (--series-0 and on); more networks than that share them.
COLOURS = 12

# Beyond this ratio of the highest to the lowest value a linear axis would press the good models flat.
LOG_RATIO = 4.0

# How many labels have room above each other in a chart.
LABELS = 16

# The side of a cell of a confusion matrix in pixels, and of one with more labels than a screen is wide.
CELL, SMALL_CELL, MANY_LABELS = 38, 27, 12

# One experiment of a chart can be brought out: the parameter `highlight` names it.
HIGHLIGHT: list[Spec] = [{"name": "highlight", "value": None}]
BROUGHT_OUT: Spec = {
    "condition": {"test": "highlight === null || datum.experiment === highlight", "value": 1},
    "value": 0.12,
}


@dataclass(frozen=True)
class Figure:
    """A chart with a line for each experiment, and its legend: the number of each one's colour, None for a baseline."""

    title: str
    legend: list[tuple[str, int | None]]
    spec: Spec


def legend(names: list[str], floors: list[str] | None = None) -> list[tuple[str, int | None]]:
    """The colours that `traced` gives to the experiments `names`; those in `floors` have none."""
    return [*((name, index % COLOURS) for index, name in enumerate(names)), *((name, None) for name in floors or [])]


def bars(rows: list[Row]) -> Spec:
    """Bars of the score that ranks a board, best first: the bar is the validation score, the tick the test score.

    A line through the end of a bar reaches one standard deviation over seeds to either side, where there are several.
    The marks have the styles `network`, `baseline`, `best` and `test`, for whoever draws the chart to colour.
    """
    board = BOARDS[rows[0].result.task]
    metric = board.metric
    values: list[Spec] = [
        {
            "experiment": row.result.experiment,
            "architecture": row.result.architecture,
            "role": "best" if row.mark == "best" else "baseline" if row.result.baseline else "network",
            "valid": row.result.scores["valid"][metric],
            "test": row.result.scores["test"][metric],
            "label": formats.repeated(metric, row.result.scores["valid"][metric], _deviation(row)),
        }
        for row in rows
    ]
    spreads: list[Spec] = [
        {"experiment": row.result.experiment, "low": valid - deviation, "high": valid + deviation}
        for row in rows
        for valid in (row.result.scores["valid"][metric],)
        if (deviation := _deviation(row)) is not None
    ]
    # Below one bit the bars shrink instead of filling the chart: a learnt toy has next to no bits left. A share of
    # one is all there is; other numbers have no such measure.
    highest = max(1.0, *(max(value["valid"], value["test"]) for value in values))
    tooltip = [
        {"field": "experiment", "type": "nominal"},
        {"field": "architecture", "type": "nominal"},
        {"field": "valid", "type": "quantitative", "format": ".4~g", "title": "validation"},
        {"field": "test", "type": "quantitative", "format": ".4~g", "title": "test"},
    ]

    def horizontal(field: str) -> Spec:
        # A label with a spread is twice as long.
        scale = {"domain": [0, highest * (1.4 if spreads else 1.22)], "nice": False}
        return {"field": field, "type": "quantitative", "axis": None, "scale": scale}

    drawn = [
        {
            "transform": [{"filter": {"field": "role", "equal": role}}],
            "mark": {"type": "bar", "style": role, "height": {"band": 0.72}, "cornerRadiusEnd": 3},
            "encoding": {"x": horizontal("valid"), "tooltip": tooltip},
        }
        for role in ("best", "network", "baseline")
    ]
    return {
        "description": f"{formats.heading(metric)} on {rows[0].result.corpus}, "
        f"{'higher' if board.higher else 'lower'} is better: "
        + ", ".join(f"{value['experiment']} {value['label']}" for value in values),
        "width": "container",
        "height": {"step": 26},
        "data": {"values": values},
        "encoding": {
            "y": by_name(formats.short([value["experiment"] for value in values])),
        },
        "layer": [
            *drawn,
            *([_spreads(spreads, horizontal("low"))] if spreads else []),
            {
                "mark": {"type": "tick", "style": "test", "thickness": 2, "size": 18},
                "encoding": {"x": horizontal("test"), "tooltip": tooltip},
            },
            {
                "transform": [{"calculate": "max(datum.valid, datum.test)", "as": "end"}],
                "mark": {"type": "text", "style": "label", "align": "left", "dx": 6},
                "encoding": {"x": horizontal("end"), "text": {"field": "label"}},
            },
        ],
    }


def _deviation(row: Row) -> float | None:
    """The standard deviation over seeds of the validation score that ranks an experiment; None where it has one."""
    return row.result.spread.get("valid", {}).get(BOARDS[row.result.task].metric)


def _spreads(values: list[Spec], low: Spec) -> Spec:
    """A line for each of `values` from its `low` to its `high`."""
    mark = {"type": "rule", "style": "test", "clip": True}
    return {"data": {"values": values}, "mark": mark, "encoding": {"x": low, "x2": {"field": "high"}}}


def by_name(short: dict[str, str]) -> Spec:
    """A vertical axis of experiments in the order of `short`, which has the label of each."""
    return {
        "field": "experiment",
        "type": "nominal",
        "sort": list(short),
        "axis": {
            "title": None,
            "domain": False,
            "ticks": False,
            "labelExpr": f"{json.dumps(short)}[datum.label]",
            "labelLimit": 190,
        },
    }


def curves(rows: list[Row], learnt: dict[str, Curve], repeats: dict[str, list[Curve]] | None = None) -> Spec | None:
    """A measure of training and validation by epoch: a colour a network, a ring at the kept epoch, a line a baseline.

    `learnt[experiment]` is a network's learning curve, all of the same measure. Colours follow its order.
    `repeats[experiment]` are the curves of its other seeds, thin lines in the same colour, without rings. None when
    there is nothing to draw.
    """
    measure = next((curve.measure for curve in learnt.values()), "")
    title = formats.name(measure)
    points = [point for name, curve in learnt.items() for point in _points(name, curve)]
    if not points:
        return None
    others = [
        {**point, "repeat": number}
        for name in learnt
        for number, curve in enumerate((repeats or {}).get(name, ()), 2)
        for point in _points(name, curve)
    ]
    floors: list[Spec] = [
        {
            "experiment": row.result.experiment,
            "value": value,
            "label": f"{row.result.experiment}  {formats.score(measure, value)}",
        }
        for row in rows
        if row.result.baseline and (value := row.result.scores["valid"].get(measure)) is not None and value > 0
    ]
    kept = [
        point
        for point in points
        if point["split"] == "validation" and point["epoch"] == learnt[point["experiment"]].kept
    ]
    last = max(point["epoch"] for point in (*points, *others))
    first = min(point["epoch"] for point in (*points, *others))
    values = [point["value"] for point in (*points, *others, *floors)]
    vertical: Spec = {
        "field": "value",
        "type": "quantitative",
        **value_axis(title, values, measure.endswith(formats.SHARES)),
    }
    scale = vertical["scale"]
    low, high = map(math.log, scale["domain"]) if "type" in scale else scale["domain"]
    labels = labelled(floors, "value", (high - low) / LABELS, "type" in scale)
    tooltip = [
        {"field": "experiment", "type": "nominal"},
        {"field": "epoch", "type": "quantitative"},
        {"field": "split", "type": "nominal"},
        {"field": "value", "type": "quantitative", "format": ".4~g", "title": title},
    ]
    epochs: Spec = {
        "field": "epoch",
        "type": "quantitative",
        "axis": {
            "values": list(range(first, last + 1, math.ceil((last - first + 1) / 20))),
            "format": "d",
            "grid": False,
        },
        "scale": {"domain": [first, max(last, first + 1)], "nice": False},
    }
    lines = traced(list(learnt), epochs, vertical)
    dashes = dashed("split", ["training", "validation"])
    thin: Spec = {
        "data": {"values": others},
        "mark": {"type": "line", "strokeWidth": 0.8, "clip": True},
        "encoding": {**lines, "strokeDash": dashes, "detail": {"field": "repeat"}},
    }
    return {
        "description": f"{formats.heading(measure)} of training and validation after each epoch: "
        + ", ".join(f"{name} ends at {_last(curve)}" for name, curve in learnt.items() if curve.epochs),
        "width": "container",
        "height": 340,
        "params": HIGHLIGHT,
        "layer": [
            {
                "data": {"values": floors},
                "mark": {"type": "rule", "style": "floor"},
                "encoding": {"y": vertical, "opacity": BROUGHT_OUT, "tooltip": [tooltip[0], tooltip[3]]},
            },
            {
                "data": {"values": labels},
                "mark": {"type": "text", "style": "label", "align": "right", "dy": -6, "dx": -4},
                "encoding": {
                    "x": {"value": "width"},
                    "y": vertical,
                    "text": {"field": "label"},
                    "opacity": BROUGHT_OUT,
                },
            },
            *([thin] if others else []),
            {
                "data": {"values": points},
                "mark": {"type": "line", "strokeWidth": 2, "clip": True},
                "encoding": {**lines, "strokeDash": dashes},
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
            targets(points, epochs, vertical, tooltip),
        ],
    }


def _points(name: str, curve: Curve) -> list[Spec]:
    """What of a learning curve can be drawn, on a logarithmic axis too."""
    return [
        {"experiment": name, "epoch": epoch.epoch, "split": split, "value": value}
        for epoch in curve.epochs
        for split, value in (("training", epoch.train), ("validation", epoch.valid))
        if value is not None and math.isfinite(value) and value > 0
    ]


def labelled(points: list[Spec], field: str, room: float, logarithmic: bool = False) -> list[Spec]:
    """One point for each label: those nearer to each other than `room`, from top to bottom, share one, on the highest.

    Args:
        points: each with its `label`.
        field: what stands upwards, positive where the axis is `logarithmic`.
        room: height of a label, in units of the axis, or in those of its natural logarithm.
    """
    height = math.log if logarithmic else float
    groups: list[list[Spec]] = []
    for point in sorted(points, key=lambda point: -point[field]):
        if groups and height(groups[-1][0][field]) - height(point[field]) < room:
            groups[-1].append(point)
        else:
            groups.append([point])
    return [{**group[0], "label": ", ".join(point["label"] for point in group)} for group in groups]


def lines(
    title: str,
    names: list[str],
    points: list[Spec],
    x: Spec,
    y: Spec,
    tooltip: list[Spec],
    more: Spec | None = None,
) -> Figure:
    """Lines through points, a colour for each experiment of `names`; `more` is encoded besides."""
    spec: Spec = {
        "description": f"{y['axis']['title']} by {x['axis']['title']}: {', '.join(names)}",
        "width": "container",
        "height": 260,
        "params": HIGHLIGHT,
        "layer": [
            {
                "data": {"values": points},
                "mark": {"type": "line", "strokeWidth": 2, "clip": True},
                "encoding": {**traced(names, x, y), **(more or {})},
            },
            targets(points, x, y, tooltip),
        ],
    }
    return Figure(title, legend(names), spec)


def floored(
    title: str,
    points: list[Spec],
    floors: list[Spec],
    x: Spec,
    y: Spec,
    tooltip: list[Spec],
    fine: bool = False,
) -> Figure:
    """Lines through the points of networks, and dotted ones through those of baselines, each with its name.

    Args:
        points: of networks, each with its `experiment`, in the order of the colours.
        floors: of baselines, likewise.
        fine: whether the points are so many that none is marked, and names stand at the last ones instead of the first.
    """
    names, below = (list(dict.fromkeys(str(point["experiment"]) for point in part)) for part in (points, floors))
    figure = lines(title, names, points, x, y, tooltip)
    of_floors = {"x": x, "y": y, "detail": {"field": "experiment"}, "opacity": BROUGHT_OUT}
    field = y["field"]
    ends = [
        {**[point for point in floors if point["experiment"] == name][-1 if fine else 0], "label": name}
        for name in below
    ]
    highest = max((point[field] for point in (*points, *floors)), default=0.0)
    ends = labelled(ends, field, highest / LABELS)
    side: Spec = {"align": "right"} if fine else {"align": "left", "dx": -8}
    marks = {
        "data": {"values": points},
        "mark": {"type": "point", "filled": True, "size": 40},
        "encoding": traced(names, x, y),
    }
    figure.spec["layer"] += [
        *([] if fine else [marks]),
        {
            "data": {"values": floors},
            "mark": {"type": "line", "style": "floor", "strokeDash": [1, 4], "strokeCap": "round", "strokeWidth": 2},
            "encoding": of_floors,
        },
        {
            "data": {"values": ends},
            "mark": {"type": "text", "style": "label", "dy": -8, **side},
            "encoding": {**of_floors, "text": {"field": "label"}},
        },
        targets(floors, x, y, tooltip),
    ]
    return Figure(title, legend(names, below), figure.spec)


def traced(names: list[str], x: Spec, y: Spec) -> Spec:
    """The encoding of lines that have a colour for each experiment, in the order of `names`, and can be brought out."""
    colour = {"field": "experiment", "type": "nominal", "scale": {"domain": names}, "legend": None}
    return {"x": x, "y": y, "color": colour, "opacity": BROUGHT_OUT}


def dashed(field: str, values: list[str]) -> Spec:
    """Dashes for the first of two values of a field, a whole line for the second."""
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": values, "range": [[5, 4], [1, 0]]},
        "legend": None,
    }


def once(spec: Spec) -> Spec:
    """The same chart with the data that several of its layers draw written once, under a name."""
    written = [json.dumps(layer.get("data")) for layer in spec.get("layer", ())]
    datasets: dict[str, list[Spec]] = {}
    layers = []
    for layer, data in zip(spec.get("layer", ()), written, strict=True):
        values = layer.get("data", {}).get("values")
        if values and written.count(data) > 1:
            name = f"layers-{written.index(data)}"
            datasets[name] = values
            layer = {**layer, "data": {"name": name}}
        layers.append(layer)
    return {**spec, "layer": layers, "datasets": datasets} if datasets else spec


def targets(points: list[Spec], x: Spec, y: Spec, tooltip: list[Spec]) -> Spec:
    """Generous invisible marks that show a tooltip: the pointer need not hit the line itself."""
    return {
        "data": {"values": points},
        "mark": {"type": "point", "filled": True, "size": 220, "opacity": 0},
        "encoding": {"x": x, "y": y, "tooltip": tooltip},
    }


def _last(curve: Curve) -> str:
    return formats.score(curve.measure, curve.epochs[-1].valid)


def value_axis(title: str, values: list[float], shares: bool = False) -> Spec:
    """An axis for positive values: logarithmic, with ticks at 1, 2, 5, 10 ..., where they spread beyond `LOG_RATIO`.

    Shares of one are in percent, and never logarithmic.
    """
    low, high = min(values), max(values)
    if shares or high / low < LOG_RATIO:
        margin = 0.06 * (high - low) or 0.1 * high
        return {
            "axis": {"title": title, "tickCount": 6, **({"format": ".3~p"} if shares else {})},
            "scale": {"domain": [low - margin, high + margin], "zero": False, "nice": False},
        }
    low, high = low / 1.1, high * 1.25
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    # Many decades happen when a model diverges or a gradient vanishes: then some powers of ten are enough.
    decades = decades[:: math.ceil(len(decades) / 10)]
    steps = (1, 2, 5) if len(decades) < 6 and high / low < 1e6 else (1,)
    ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
    return {
        "axis": {
            "title": f"{title} (logarithmic)",
            "values": ticks,
            "format": "~g" if high <= 1e5 and low >= 1e-4 else ".0e" if low < 1e-4 else "~s",
        },
        "scale": {"type": "log", "domain": [low, high], "nice": False},
    }


def confusion(counts: list[Spec], title: str) -> Spec:
    """A heat map of what was taken for what: rows are the actual labels, columns the predicted ones.

    Args:
        counts: one for each pair that occurs: `actual`, `predicted`, `count`. Colours are shares of the actual label.
    """
    labels = sorted({str(value[key]) for value in counts for key in ("actual", "predicted")})
    totals = {label: sum(value["count"] for value in counts if value["actual"] == label) for label in labels}
    values = [
        {**value, "share": round(value["count"] / max(1, totals[value["actual"]]), 4)}
        for value in counts
        if value["count"]
    ]
    right = sum(value["count"] for value in counts if value["actual"] == value["predicted"])
    step = CELL if len(labels) <= MANY_LABELS else SMALL_CELL

    def label(field: str, **axis: Any) -> Spec:
        axis = {"domain": False, "ticks": False, "labelLimit": 150, **axis}
        scale = {"domain": labels}
        return {"field": field, "type": "nominal", "sort": labels, "scale": scale, "title": field, "axis": axis}

    return {
        "description": f"{title}: {right:g} of {sum(totals.values()):g} right; rows: actual, columns: predicted labels",
        "width": {"step": step},
        "height": {"step": step},
        "data": {"values": values},
        "encoding": {
            "x": label("predicted", orient="top", labelAngle=-50),
            "y": label("actual"),
        },
        "layer": [
            {
                "mark": {"type": "rect", "style": "best"},
                "encoding": {
                    "opacity": {
                        "field": "share",
                        "type": "quantitative",
                        "scale": {"domain": [0, 1], "range": [0.03, 0.6]},
                        "legend": None,
                    },
                    "tooltip": [
                        {"field": "actual", "type": "nominal"},
                        {"field": "predicted", "type": "nominal"},
                        {"field": "count", "type": "quantitative"},
                        {"field": "share", "type": "quantitative", "format": ".1%", "title": "of the actual label"},
                    ],
                },
            },
            {
                "mark": {"type": "text", "style": "cell", **({} if step == CELL else {"fontSize": 10})},
                "encoding": {"text": {"field": "count", "type": "quantitative"}},
            },
        ],
    }


def attention(found: Attention, experiment: str) -> Spec:
    """A heat map of attention weights: rows are the target tokens, columns the source tokens, both in their order."""
    values = [
        {"target": row, "source": column, "weight": round(weight, 3)}
        for row, weights in enumerate(found.weights)
        for column, weight in enumerate(weights)
    ]
    strongest = [
        f"{token}: {found.source[column]} {weights[column]:.2f}"
        for token, weights in zip(found.target, found.weights, strict=True)
        for column in sorted(range(len(weights)), key=lambda column: -weights[column])[:1]
    ]
    # A token may come twice, so that places and not tokens are what the axes count.
    words = {"source": json.dumps(found.source), "target": json.dumps(found.target)}

    def axis(field: str, **more: Any) -> Spec:
        label = {"labelExpr": f"{words[field]}[datum.value]", "labelOverlap": False, "domain": False, "ticks": False}
        return {"field": field, "type": "ordinal", "axis": {"title": field, **label, **more}}

    return {
        "description": f"{experiment}, each target token with the source token it attends to most: "
        + ", ".join(strongest),
        "width": {"step": 20},
        "height": {"step": 20},
        "data": {"values": values},
        "transform": [{"calculate": f"{words[field]}[datum.{field}]", "as": f"{field}_token"} for field in words],
        "mark": {"type": "rect", "style": "best"},
        "encoding": {
            "x": axis("source", orient="top", labelAngle=-55),
            "y": axis("target"),
            "opacity": {
                "field": "weight",
                "type": "quantitative",
                "scale": {"domain": [0, 1], "range": [0.04, 1]},
                "legend": None,
            },
            "tooltip": [
                {"field": "target_token", "type": "nominal", "title": "target"},
                {"field": "source_token", "type": "nominal", "title": "source"},
                {"field": "weight", "type": "quantitative", "format": ".2f"},
            ],
        },
    }
