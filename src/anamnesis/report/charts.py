"""The charts: Altair builds Vega-Lite specifications without colours, and the page adds those of its theme."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt

from anamnesis.boards import BOARDS
from anamnesis.report import formats
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import Attention, Curve, records

Spec = dict[str, Any]
Point = Mapping[str, Any]

# style.css defines as many colours: --series-0 and so on. More experiments than that share them.
COLOURS = 12
# Values that spread beyond this ratio get a logarithmic axis.
LOG_RATIO = 4.0
# How many labels fit above each other in a chart.
LABELS = 16
# Pixels of a cell of a confusion matrix: with few labels, and with more than MANY.
CELL, SMALL_CELL, MANY = 38, 27, 12

# The parameter `highlight` names the experiment to bring out.
HIGHLIGHT = alt.param(name="highlight", value=None)
OPACITY = alt.OpacityValue(0.12, condition={"test": "highlight === null || datum.experiment === highlight", "value": 1})


class Figure(NamedTuple):
    """A chart with a line for each experiment, and its legend: the number of each one's colour, None for baselines."""

    title: str
    legend: list[tuple[str, int | None]]
    spec: Spec


def legend(names: Sequence[str], baselines: Sequence[str] = ()) -> list[tuple[str, int | None]]:
    """The legend of a chart: colours for `names`, in their order, and none for `baselines`."""
    return [*((name, index % COLOURS) for index, name in enumerate(names)), *((name, None) for name in baselines)]


def chart(points: Sequence[Point] | str, **options: Any) -> alt.Chart:
    """An Altair chart of `points`, or of CSV text."""
    # Altair copies lists at every step, but not tuples.
    values = points if isinstance(points, str) else tuple(points)
    return alt.Chart(alt.InlineData(values=values, **options))


def finish(drawn: Any, description: str, height: Any, width: Any = "container", highlight: bool = False) -> Spec:
    """The Vega-Lite specification of an Altair chart, which takes colours and fonts from the page."""
    if highlight:
        drawn = drawn.add_params(HIGHLIGHT)
    spec: Spec = drawn.properties(description=description, width=width, height=height).to_dict(validate=False)
    return {key: value for key, value in spec.items() if key not in ("config", "$schema")}


def by_experiment(names: Sequence[str]) -> alt.Y:
    """A vertical axis of experiments, with short labels, in the order of `names`."""
    labels = f"{json.dumps(formats.short(names))}[datum.label]"
    axis = alt.Axis(title=None, domain=False, ticks=False, labelExpr=labels, labelLimit=190)
    return alt.Y("experiment:N", sort=list(names), axis=axis)


def tooltip(**fields: str | tuple[str, str, str]) -> list[alt.Tooltip]:
    """Tooltips by field: a type such as "N", or type, format and title."""
    return [
        alt.Tooltip(f"{name}:{given}")
        if isinstance(given, str)
        else alt.Tooltip(f"{name}:{given[0]}", format=given[1], title=given[2])
        for name, given in fields.items()
    ]


def bars(rows: list[Row]) -> Spec:
    """Bars of the score that ranks a leaderboard, best first: the bar is the validation score, the tick the test score.

    A line at the end of a bar shows one standard deviation over seeds to either side. Marks have the styles best,
    network, baseline and test, which the page colours.
    """
    board = BOARDS[rows[0].result.task]
    metric = board.metric
    values: list[Spec] = []
    for row in rows:
        valid, test = (row.result.scores[split][metric] for split in ("valid", "test"))
        deviation = row.result.spread.get("valid", {}).get(metric)
        values.append(
            {
                "experiment": row.result.experiment,
                "architecture": row.result.architecture,
                "role": "best" if row.mark == "best" else "baseline" if row.result.baseline else "network",
                "valid": valid,
                "test": test,
                "end": max(valid, test),
                "label": formats.repeated(metric, valid, deviation),
            }
        )
        if deviation is not None:
            values[-1] |= {"low": valid - deviation, "high": valid + deviation}
    repeated = any("low" in value for value in values)
    # The axis reaches at least 1: a toy with next to no bits left gets short bars. A label with ± is twice as long.
    room = max(1.0, *(value["end"] for value in values)) * (1.4 if repeated else 1.22)

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", axis=None, scale=alt.Scale(domain=[0, room], nice=False))

    shown = tooltip(experiment="N", architecture="N", valid=("Q", ".4~g", "validation"), test=("Q", ".4~g", "test"))
    base = chart(values).encode(y=by_experiment([value["experiment"] for value in values]))
    layers: list[Any] = [
        base.transform_filter(alt.FieldEqualPredicate(field="role", equal=role))
        .mark_bar(style=role, height=alt.RelativeBandSize(0.72), cornerRadiusEnd=3)
        .encode(x=x("valid"), tooltip=shown)
        for role in ("best", "network", "baseline")
    ]
    if repeated:
        spread = base.transform_filter("isValid(datum.low)")
        layers.append(spread.mark_rule(style="test", clip=True).encode(x=x("low"), x2="high:Q"))
    layers += [
        base.mark_tick(style="test", thickness=2, size=18).encode(x=x("test"), tooltip=shown),
        base.mark_text(style="label", align="left", dx=6).encode(x=x("end"), text="label:N"),
    ]
    description = (
        f"{formats.heading(metric)} on {rows[0].result.corpus}, {'higher' if board.higher else 'lower'} is better: "
        + ", ".join(f"{value['experiment']} {value['label']}" for value in values)
    )
    return finish(alt.layer(*layers), description, alt.Step(26))


def curves(
    rows: list[Row], learnt: dict[str, Curve], repeats: dict[str, list[Curve]], title: str = ""
) -> Figure | None:
    """A measure of training and validation by epoch: a colour a network, a ring at its best epoch, a line a baseline.

    Args:
        rows: the experiments, baselines included.
        learnt: learning curves of networks, all of the same measure; colours follow their order.
        repeats: learning curves of their repetitions with other seeds, drawn thin.
        title: of the figure.

    Returns:
        The figure; None if there is nothing to draw.
    """
    points = [point for name, curve in learnt.items() for point in _points(name, curve)]
    if not points:
        return None
    measure = next(curve.measure for curve in learnt.values())
    others = [
        {**point, "repeat": number}
        for name, curves_of_seeds in repeats.items()
        for number, curve in enumerate(curves_of_seeds, 2)
        for point in _points(name, curve)
    ]
    baselines: list[Spec] = [
        {"experiment": each.experiment, "value": value, "label": f"{each.experiment}  {formats.score(measure, value)}"}
        for each in (row.result for row in rows)
        if each.baseline and (value := each.scores["valid"].get(measure)) is not None and value > 0
    ]
    rings = [
        point
        for point in points
        if point["split"] == "validation" and point["epoch"] == learnt[point["experiment"]].best_epoch
    ]
    first, last = (pick(point["epoch"] for point in (*points, *others)) for pick in (min, max))
    ticks = list(range(first, last + 1, math.ceil((last - first + 1) / 20)))
    x = alt.X(
        "epoch:Q",
        axis=alt.Axis(values=ticks, format="d", grid=False),
        scale=alt.Scale(domain=[first, max(last, first + 1)], nice=False),
    )
    name = formats.name(measure)
    values = [point["value"] for point in (*points, *others, *baselines)]
    y, labels = _value_axis("value", name, values, measure.endswith(formats.SHARES), baselines)
    shown = tooltip(experiment="N", epoch="Q", split="N", value=("Q", ".4~g", name))
    dashes = dashed("split", ["training", "validation"])
    layers: list[Any] = [
        chart(baselines).mark_rule(style="reference").encode(y=y, opacity=OPACITY, tooltip=[shown[0], shown[3]]),
        chart(labels)
        .mark_text(style="label", align="right", dy=-6, dx=-4)
        .encode(x=alt.value("width"), y=y, text="label:N", opacity=OPACITY),
        traced(points, list(learnt), x, y).mark_line(strokeWidth=2, clip=True).encode(strokeDash=dashes),
        traced(points, list(learnt), x, y).mark_point(filled=True, size=18),
        traced(rings, list(learnt), x, y).mark_point(filled=False, size=110, strokeWidth=2),
        targets(points, x, y, shown),
    ]
    if others:
        thin = traced(others, list(learnt), x, y).mark_line(strokeWidth=0.8, clip=True)
        layers.insert(2, thin.encode(strokeDash=dashes, detail="repeat:N"))
    description = f"{formats.heading(measure)} of training and validation after each epoch: " + ", ".join(
        f"{name} ends at {formats.score(measure, _points(name, curve)[-1]['value'])}"
        for name, curve in learnt.items()
        if _points(name, curve)
    )
    spec = finish(alt.layer(*layers), description, 340, highlight=True)
    return Figure(title, legend(list(learnt), [each["experiment"] for each in baselines]), spec)


def _points(name: str, curve: Curve) -> list[Spec]:
    """The points of a learning curve that a logarithmic axis can show."""
    return [
        {"experiment": name, "epoch": int(row["epoch"]), "split": split, "value": float(value)}
        for row in records(curve.epochs)
        for split, value in (("training", row["train"]), ("validation", row["valid"]))
        if drawable(value)
    ]


def drawable(value: float | None) -> bool:
    """Whether a logarithmic axis can show a value."""
    return value is not None and math.isfinite(value) and value > 0


def lines(
    points: list[Spec],
    x: alt.X,
    y: alt.Y,
    shown: list[alt.Tooltip],
    description: str,
    *,
    title: str = "",
    baselines: Sequence[Spec] = (),
    rings: Sequence[Spec] = (),
    dash: Any = alt.Undefined,
    dots: bool = True,
) -> Figure:
    """Lines through the points of networks, and dotted ones, with their names, through those of baselines.

    Args:
        points: of networks, each with its `experiment`; colours follow their order.
        x, y: the axes.
        shown: tooltips.
        description: the chart in words.
        title: of the figure.
        baselines: points of baselines, each with its `experiment`.
        rings: points to mark with a ring.
        dash: encodes the dashes of networks' lines.
        dots: whether each point is marked; else names of baselines stand at their last points, not at the first.
    """
    names, below = (list(dict.fromkeys(str(point["experiment"]) for point in part)) for part in (points, baselines))
    layers: list[Any] = [traced(points, names, x, y).mark_line(strokeWidth=2, clip=True).encode(strokeDash=dash)]
    if dots:
        layers.append(traced(points, names, x, y).mark_point(filled=True, size=40))
    if rings:
        layers.append(traced(rings, names, x, y).mark_point(filled=False, size=110, strokeWidth=2))
    if below:
        field = str(y["shorthand"]).partition(":")[0]
        ends = [
            {**[point for point in baselines if point["experiment"] == name][0 if dots else -1], "label": name}
            for name in below
        ]
        ends = join_labels(ends, field, max(point[field] for point in (*points, *baselines)) / LABELS)
        side: Spec = {"align": "left", "dx": -8} if dots else {"align": "right"}
        dotted: Spec = {"style": "reference", "strokeDash": [1, 4], "strokeCap": "round", "strokeWidth": 2}
        layers += [
            chart(baselines).mark_line(**dotted).encode(x=x, y=y, detail="experiment:N", opacity=OPACITY),
            chart(ends).mark_text(style="label", dy=-8, **side).encode(x=x, y=y, text="label:N", opacity=OPACITY),
        ]
    layers.append(targets([*points, *baselines], x, y, shown))
    return Figure(title, legend(names, below), finish(alt.layer(*layers), description, 260, highlight=True))


def traced(points: Sequence[Point], names: Sequence[str], x: Any, y: Any) -> alt.Chart:
    """A chart with a colour for each experiment, in the order of `names`, in which one can be brought out."""
    colour = alt.Color("experiment:N", scale=alt.Scale(domain=list(names)), legend=None)
    return chart(points).encode(x=x, y=y, color=colour, opacity=OPACITY)


def dashed(field: str, values: list[str]) -> alt.StrokeDash:
    """Dashes for the first of two values of a field, a whole line for the second."""
    return alt.StrokeDash(f"{field}:N", scale=alt.Scale(domain=values, range=[[5, 4], [1, 0]]), legend=None)


def targets(points: Sequence[Point], x: Any, y: Any, shown: list[alt.Tooltip]) -> alt.Chart:
    """Large invisible marks that show a tooltip, so that the pointer need not hit the line itself."""
    return chart(points).mark_point(filled=True, size=220, opacity=0).encode(x=x, y=y, tooltip=shown)


def join_labels(points: Sequence[Spec], field: str, room: float, logarithmic: bool = False) -> list[Spec]:
    """Points with their labels: those closer than `room` along `field` share one label, on the highest of them.

    Args:
        points: each with its `label`.
        field: the vertical field, positive if `logarithmic`.
        room: height of a label in units of the axis; natural logarithms of them if `logarithmic`.
    """
    height = math.log if logarithmic else float
    groups: list[list[Spec]] = []
    for point in sorted(points, key=lambda point: -point[field]):
        if groups and height(groups[-1][0][field]) - height(point[field]) < room:
            groups[-1].append(point)
        else:
            groups.append([point])
    return [{**group[0], "label": ", ".join(point["label"] for point in group)} for group in groups]


def value_axis(field: str, title: str | None, values: list[float], **options: Any) -> alt.Y:
    """A vertical axis for positive values: logarithmic if they spread beyond `LOG_RATIO`, with ticks at 1, 2, 5, 10."""
    return _value_axis(field, title, values, **options)[0]


def _value_axis(
    field: str,
    title: str | None,
    values: list[float],
    shares: bool = False,
    labels: Sequence[Spec] = (),
    **options: Any,
) -> tuple[alt.Y, list[Spec]]:
    """As `value_axis`, and `labels`, whose points lie on this axis, with those too close to each other joined.

    Shares of one are in percent, and never logarithmic.
    """
    low, high = min(values), max(values)
    if shares or high / low < LOG_RATIO:
        margin = 0.06 * (high - low) or 0.1 * high
        low, high = low - margin, high + margin
        axis = alt.Axis(**{"title": title, "tickCount": 6, **({"format": ".3~p"} if shares else {}), **options})
        scale = alt.Scale(domain=[low, high], zero=False, nice=False)
        return alt.Y(f"{field}:Q", axis=axis, scale=scale), join_labels(labels, field, (high - low) / LABELS)
    low, high = low / 1.1, high * 1.25
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    # A diverging model or a vanishing gradient spans many decades: then some powers of ten are enough.
    decades = decades[:: math.ceil(len(decades) / 10)]
    steps = (1, 2, 5) if len(decades) < 6 and high / low < 1e6 else (1,)
    ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
    numbers = "~g" if high <= 1e5 and low >= 1e-4 else ".0e" if low < 1e-4 else "~s"
    title = None if title is None else f"{title} (logarithmic)"
    axis = alt.Axis(**{"title": title, "values": ticks, "format": numbers, **options})
    room = math.log(high / low) / LABELS
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    return alt.Y(f"{field}:Q", axis=axis, scale=scale), join_labels(labels, field, room, logarithmic=True)


def confusion(counts: list[Spec], title: str) -> Spec:
    """A heat map of a confusion matrix: rows are actual labels, columns predicted ones, colours shares of a row.

    Args:
        counts: `actual`, `predicted` and `count` of each pair of labels that occurs.
        title: of the matrix.
    """
    labels = sorted({str(value[key]) for value in counts for key in ("actual", "predicted")})
    totals = {label: sum(value["count"] for value in counts if value["actual"] == label) for label in labels}
    values = [
        {**value, "share": round(value["count"] / max(1, totals[value["actual"]]), 4)}
        for value in counts
        if value["count"]
    ]
    right = sum(value["count"] for value in counts if value["actual"] == value["predicted"])
    step = CELL if len(labels) <= MANY else SMALL_CELL
    axis: Spec = {"domain": False, "ticks": False, "labelLimit": 150}
    scale = alt.Scale(domain=labels)
    base = chart(values).encode(
        x=alt.X("predicted:N", sort=labels, scale=scale, axis=alt.Axis(orient="top", labelAngle=-50, **axis)),
        y=alt.Y("actual:N", sort=labels, scale=scale, axis=alt.Axis(**axis)),
    )
    shown = tooltip(actual="N", predicted="N", count="Q", share=("Q", ".1%", "of the actual label"))
    cells = base.mark_rect(style="best").encode(opacity=_strength("share", 0.03, 0.6), tooltip=shown)
    numbers = base.mark_text(style="cell", fontSize=alt.Undefined if step == CELL else 10).encode(text="count:Q")
    description = f"{title}: {right:g} of {sum(totals.values()):g} right; rows: actual, columns: predicted labels"
    return finish(alt.layer(cells, numbers), description, alt.Step(step), alt.Step(step))


def attention(matrix: Attention, experiment: str) -> Spec:
    """A heat map of attention weights: rows are target tokens, columns source tokens, in their order.

    Raises:
        ValueError: the weights do not fit the tokens.
    """
    source, target, weights = matrix["source"], matrix["target"], matrix["weights"]
    if [len(row) for row in weights] != [len(source)] * len(target):
        raise ValueError("attention.json: the weights do not fit the tokens")
    values = [
        {"target": row, "source": column, "weight": round(weight, 3)}
        for row, of_target in enumerate(weights)
        for column, weight in enumerate(of_target)
    ]
    strongest = ", ".join(
        f"{token}: {source[row.index(max(row))]} {max(row):.2f}"
        for token, row in zip(target, weights, strict=True)
        if row
    )
    # A token may occur twice, so the axes count places and label them with tokens.
    tokens = {"source": json.dumps(source), "target": json.dumps(target)}

    def axis(field: str, **more: Any) -> alt.Axis:
        label = f"{tokens[field]}[datum.value]"
        return alt.Axis(title=field, labelExpr=label, labelOverlap=False, domain=False, ticks=False, **more)

    drawn = (
        chart(values)
        .transform_calculate(**{f"{field}_token": f"{text}[datum.{field}]" for field, text in tokens.items()})
        .mark_rect(style="best")
        .encode(
            x=alt.X("source:O", axis=axis("source", orient="top", labelAngle=-55)),
            y=alt.Y("target:O", axis=axis("target")),
            opacity=_strength("weight", 0.04, 1),
            tooltip=[
                alt.Tooltip("target_token:N", title="target"),
                alt.Tooltip("source_token:N", title="source"),
                alt.Tooltip("weight:Q", format=".2f"),
            ],
        )
    )
    description = f"{experiment}, each target token with the source token it attends to most: {strongest}"
    return finish(drawn, description, alt.Step(20), alt.Step(20))


def _strength(field: str, low: float, high: float) -> alt.Opacity:
    """The opacity of a cell, by a share from 0 to 1."""
    return alt.Opacity(f"{field}:Q", scale=alt.Scale(domain=[0, 1], range=[low, high]), legend=None)
