"""Who remembers what: memory spans, gradients through time, and the context that language models use."""

import math
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from anamnesis.report import charts, formats, results
from anamnesis.report.charts import Figure, Spec
from anamnesis.report.leaderboard import Row, boards
from anamnesis.report.results import Result

PROBES = ("copy", "adding")
SPLIT = "test"
# A chart of a training's steps is a few hundred pixels wide.
STEPS = 200


@dataclass(frozen=True)
class Decay:
    """A cell's gradient decay in words, before training and after it."""

    cell: str
    initial: str
    trained: str


@dataclass(frozen=True)
class Spread:
    """A cell's memory spans in words: of each probe the median over seeds, lowest and highest, and the mean of both."""

    cell: str
    probes: dict[str, str]
    mean: str


@dataclass(frozen=True)
class Memory:
    """What the head of the page shows; None or empty for what no experiment measured."""

    order: str
    seeds: str
    longest: int
    spans: Spec | None
    spread: list[Spread]
    gradients: Figure | None
    decays: list[Decay]
    clipping: list[tuple[str, Spec]]
    contexts: list[Figure]
    used: list[str]


def memory(root: Path, rows: list[Row]) -> Memory | None:
    """The figures of the board `memory`, and of all experiments that have a context.csv; None without any.

    Where the experiments of the board were asked several questions, only those of the one with the most compare here.

    Raises:
        AnamnesisError: a file of an evaluation is damaged.
    """
    groups = [group for board, found in boards(rows) if board == "memory" for group in found]
    probed = [row.result for row in max(groups, key=lambda group: len(group.rows)).rows] if groups else []
    models = [row.result for row in rows if row.result.task == "language"]
    found = Memory(
        order=order(probed),
        seeds=" or ".join(map(str, sorted({result.settings.recall.seeds for result in probed}))),
        longest=max((result.settings.recall.lags[-1] for result in probed), default=0),
        spans=spans(probed) if probed else None,
        spread=spread(probed),
        gradients=gradients(root, probed),
        decays=decays(probed),
        clipping=clipping(root, probed),
        contexts=contexts(root, models),
        used=used(models),
    )
    return found if probed or found.contexts else None


def order(probed: list[Result]) -> str:
    """The cells by their memory span as a chain such as 'lstm 320 > gru 160 = scrn 160 > rnn 10'."""
    short = formats.short([result.experiment for result in probed])
    ranked = sorted(probed, key=lambda result: -result.scores[SPLIT]["memory_span"])
    groups = [
        " = ".join(f"{short[result.experiment]} {span:g}" for result in group)
        for span, group in groupby(ranked, key=lambda result: result.scores[SPLIT]["memory_span"])
    ]
    return " > ".join(groups)


def spread(probed: list[Result]) -> list[Spread]:
    """The memory spans on test data of each cell, as a table."""
    short = formats.short([result.experiment for result in probed])
    found = []
    for result in probed:
        scores = result.scores[SPLIT]
        probes = {}
        for probe in PROBES:
            metric = f"memory_span_{probe}"
            low, high = scores.get(f"{metric}_low"), scores.get(f"{metric}_high")
            ends = "" if low is None or high is None else f" ({low:g} to {high:g})"
            probes[probe] = formats.score(metric, scores.get(metric)) + ends
        found.append(Spread(short[result.experiment], probes, formats.score("memory_span", scores.get("memory_span"))))
    return found


def spans(probed: list[Result]) -> Spec:
    """Memory spans by cell: a point for the median over seeds, a line from the lowest to the highest.

    The lags that were tried are the ticks; a span of 0 stands left of the shortest.
    """
    lags = sorted({lag for result in probed for lag in result.settings.recall.lags})
    nothing = lags[0] / 2
    # Labels stand right of the longest lag, on a narrow screen too.
    room = (lags[-1] / nothing) ** 0.28
    values: list[Spec] = []
    for result in probed:
        scores, longest = result.scores[SPLIT], result.settings.recall.lags[-1]
        for probe in PROBES:
            metric = f"memory_span_{probe}"
            if metric not in scores:
                continue
            median = scores[metric]
            low, high = (scores.get(f"{metric}_{end}", median) for end in ("low", "high"))
            values.append(
                {
                    "experiment": result.experiment,
                    "probe": probe,
                    "median": median,
                    "low": low,
                    "high": high,
                    **{f"at_{name}": max(value, nothing) for name, value in (("low", low), ("high", high))},
                    "at": max(median, nothing),
                    "label": f"{'≥' if median >= longest else ''}{median:g}",
                }
            )
    tooltip = [
        {"field": "experiment", "type": "nominal"},
        {"field": "probe", "type": "nominal"},
        *({"field": name, "type": "quantitative"} for name in ("median", "low", "high")),
    ]
    colour = {"field": "probe", "type": "nominal", "scale": {"domain": list(PROBES)}, "legend": None}
    x: Spec = {
        "field": "at",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [nothing / 1.15, room * lags[-1]], "nice": False},
        "axis": {
            "title": "largest lag solved, in steps (logarithmic)",
            "values": [nothing, *lags],
            "labelExpr": f"datum.value < {lags[0]} ? 'none' : format(datum.value, 'd')",
            "labelFlush": False,
        },
    }
    return {
        "description": "Memory span, median over seeds, lowest to highest: "
        + ", ".join(f"{v['experiment']} {v['probe']} {v['median']:g} ({v['low']:g} to {v['high']:g})" for v in values),
        "width": "container",
        "height": {"step": 22, "for": "offset"},
        "data": {"values": values},
        "encoding": {
            "y": charts.by_name(formats.short([result.experiment for result in probed])),
            "yOffset": {"field": "probe", "type": "nominal", "sort": list(PROBES)},
            "tooltip": tooltip,
        },
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.45, "strokeCap": "round"},
                "encoding": {"x": {**x, "field": "at_low"}, "x2": {"field": "at_high"}, "color": colour},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {"x": x, "color": colour},
            },
            {
                "mark": {"type": "text", "style": "label", "align": "left", "dx": 9},
                "encoding": {"x": {**x, "field": "at_high"}, "text": {"field": "label"}},
            },
        ],
    }


def gradients(root: Path, probed: list[Result]) -> Figure | None:
    """The norm of a loss's gradient by the distance back in time, before training (dashed) and after it."""
    fields: dict[str, type[str | float]] = {"when": str, "distance": float, "norm": float}
    points: list[Spec] = [
        {"experiment": result.experiment, **row}
        for result in probed
        for row in results.table(root, result.experiment, "gradients.csv", fields)
        if _drawable(row["norm"])
    ]
    if not points:
        return None
    x: Spec = {
        "field": "distance",
        "type": "quantitative",
        "axis": {"title": "steps back from the loss", "grid": False},
        "scale": {"nice": False},
    }
    y = {
        "field": "norm",
        "type": "quantitative",
        **charts.value_axis("gradient norm", [point["norm"] for point in points]),
    }
    dash = charts.dashed("when", ["initial", "trained"])
    tooltip = [
        {"field": "experiment", "type": "nominal"},
        {"field": "when", "type": "nominal"},
        {"field": "distance", "type": "quantitative"},
        {"field": "norm", "type": "quantitative", "format": ".3~g"},
    ]
    names = [result.experiment for result in probed]
    return charts.lines("gradients", names, points, x, y, tooltip, {"strokeDash": dash})


def decays(probed: list[Result]) -> list[Decay]:
    """The fitted decay of each cell's gradient on test text, with the steps in which it halves or doubles."""
    short = formats.short([result.experiment for result in probed])
    metrics = [f"gradient_decay_{when}" for when in ("initial", "trained")]
    return [
        Decay(short[result.experiment], *(decay(result.scores[SPLIT][metric]) for metric in metrics))
        for result in probed
        if all(metric in result.scores[SPLIT] for metric in metrics)
    ]


def decay(factor: float) -> str:
    """A decay as text: the factor of a step, and how many steps halve or double the gradient."""
    if not _drawable(factor) or factor == 1:
        return f"{factor:.3g}"
    steps = abs(math.log(2) / math.log(factor))
    return f"{factor:.3f} ({'×2' if factor > 1 else '½'} in {steps:.2g} steps)" if steps < 1000 else f"{factor:.3f}"


def used(models: list[Result]) -> list[str]:
    """For each kind of tokens a sentence with the context that its models use on test text, longest first."""
    sentences = []
    for kind in dict.fromkeys(model.kind for model in models):
        lengths: dict[float, list[str]] = {}
        for model in models:
            if model.kind == kind and "context_tokens" in model.scores[SPLIT]:
                lengths.setdefault(model.scores[SPLIT]["context_tokens"], []).append(model.experiment)
        if lengths:
            told = "; ".join(f"{', '.join(lengths[length])} {length:g}" for length in sorted(lengths, reverse=True))
            sentences.append(f"{kind.capitalize()} used: {told}.")
    return sentences


def contexts(root: Path, models: list[Result]) -> list[Figure]:
    """Perplexity given the last k tokens only, relative to the carried state: one chart a kind of tokens.

    A ring marks the context that a model uses, its `context_tokens`.
    """
    fields: dict[str, type[str | float]] = {"split": str, "tokens": float, "perplexity": float}
    figures = []
    for kind in dict.fromkeys(model.kind for model in models):
        points: list[Spec] = []
        for model in (model for model in models if model.kind == kind):
            rows = [r for r in results.table(root, model.experiment, "context.csv", fields) if r["split"] == SPLIT]
            full = next((row["perplexity"] for row in rows if row["tokens"] is None), None)
            if not _drawable(full):
                continue
            points += [
                {
                    "experiment": model.experiment,
                    "tokens": row["tokens"],
                    "ratio": row["perplexity"] / full,
                    "used": row["tokens"] == model.scores[SPLIT].get("context_tokens"),
                }
                for row in rows
                if row["tokens"] is not None and _drawable(row["perplexity"])
            ]
        if not points:
            continue
        longest = max(point["tokens"] for point in points)
        x: Spec = {
            "field": "tokens",
            "type": "quantitative",
            "axis": {
                "title": f"{kind} the model may read (logarithmic)",
                "grid": False,
                "values": [2**power for power in range(int(math.log2(longest)) + 1)],
            },
            "scale": {"type": "log", "base": 2, "domain": [1, max(2, longest)], "nice": False},
        }
        y = {
            "field": "ratio",
            "type": "quantitative",
            **charts.value_axis("perplexity ÷ that with all of the text", [point["ratio"] for point in points]),
        }
        tooltip = [
            {"field": "experiment", "type": "nominal"},
            {"field": "tokens", "type": "quantitative", "title": kind},
            {"field": "ratio", "type": "quantitative", "format": ".4~g"},
        ]
        names = list(dict.fromkeys(point["experiment"] for point in points))
        figure = charts.lines(kind, names, points, x, y, tooltip)
        used = [point for point in points if point["used"]]
        figure.spec["layer"].append(
            {
                "data": {"values": used},
                "mark": {"type": "point", "filled": False, "size": 110, "strokeWidth": 2},
                "encoding": charts.traced(names, x, y),
            }
        )
        figures.append(figure)
    return figures


def clipping(root: Path, probed: list[Result]) -> list[tuple[str, Spec]]:
    """For each cell the gradient's norm at the steps of training, before and after clipping; all on one scale.

    Of a long training, each stretch of steps is shown by its largest gradient.
    """
    fields: dict[str, type[str | float]] = {"step": float, "before": float, "after": float}
    thinned: dict[str, list[Spec]] = {}
    for result in probed:
        rows = [
            row
            for row in results.table(root, result.experiment, "clipping.csv", fields)
            if _drawable(row["before"]) and _drawable(row["after"])
        ]
        stretch = math.ceil(len(rows) / STEPS)
        if rows:
            thinned[result.experiment] = [
                max(rows[first : first + stretch], key=lambda row: row["before"])
                for first in range(0, len(rows), stretch)
            ]
    norms = [row[when] for rows in thinned.values() for row in rows for when in ("before", "after")]
    short = formats.short(list(thinned))

    def chart(experiment: str, rows: list[Spec]) -> Spec:
        y: Spec = {"type": "quantitative", **charts.value_axis("", norms)}
        y["axis"] = {**y["axis"], "title": None, "tickCount": 4}
        clipped = sum(row["after"] < 0.999 * row["before"] for row in rows)
        highest = max(row["before"] for row in rows)
        return {
            "description": f"{experiment}: norms up to {highest:.3g}; clipped at {clipped} of {len(rows)} places shown",
            "width": "container",
            "height": 100,
            "data": {"values": rows},
            "encoding": {
                "x": {
                    "field": "step",
                    "type": "quantitative",
                    "axis": {"title": "step", "grid": False, "tickCount": 4},
                    "scale": {"nice": False},
                },
                "tooltip": [
                    {"field": name, "type": "quantitative", "format": ".4~g"} for name in ("step", "before", "after")
                ],
            },
            "layer": [
                {
                    "mark": {"type": "rule", "style": "cut"},
                    "encoding": {"y": {"field": "after", **y}, "y2": {"field": "before"}},
                },
                {"mark": {"type": "line", "style": "kept"}, "encoding": {"y": {"field": "after", **y}}},
            ],
        }

    return [(short[experiment], chart(experiment, rows)) for experiment, rows in thinned.items()]


def _drawable(value: float | None) -> bool:
    """Whether a logarithmic axis has a place for it."""
    return value is not None and math.isfinite(value) and value > 0
