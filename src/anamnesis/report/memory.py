"""Who remembers what: memory spans, gradients through time, and the context that language models use."""

import math
from itertools import groupby
from pathlib import Path
from typing import Any

import altair as alt

from anamnesis.report import charts, formats, results
from anamnesis.report.charts import Figure, Spec, tooltip
from anamnesis.report.leaderboard import Row, boards
from anamnesis.report.results import Result

PROBES = ("copy", "adding")
SPLIT = "test"
# A chart of the steps of a training is a few hundred pixels wide.
STEPS = 200


def memory(root: Path, rows: list[Row]) -> dict[str, Any]:
    """The content of memory.html: memory experiments, and the context of language models; empty without any.

    Of several questions about memory, the one with the most experiments is shown.

    Raises:
        AnamnesisError: a file of an evaluation is damaged.
    """
    groups = [group for task, of_task in boards(rows) if task == "memory" for group in of_task]
    probed = [row.result for row in max(groups, key=lambda group: len(group.rows)).rows] if groups else []
    models = [row.result for row in rows if row.result.task == "language"]
    content = {
        "order": order(probed),
        "seeds": " or ".join(map(str, sorted({result.settings.recall.seeds for result in probed}))),
        "longest": max((result.settings.recall.lags[-1] for result in probed), default=0),
        "spans": draw_spans(probed) if probed else None,
        "span_rows": [span_row(name, result) for name, result in _short(probed)],
        "gradients": draw_gradients(root, probed),
        "decay_rows": [decay_row(name, result) for name, result in _short(probed)],
        "clipping": draw_clipping(root, probed),
        "contexts": draw_contexts(root, models),
        "used": describe_contexts(models),
    }
    return content if probed or content["contexts"] else {}


def _short(probed: list[Result]) -> list[tuple[str, Result]]:
    short = formats.short([result.experiment for result in probed])
    return [(short[result.experiment], result) for result in probed]


def order(probed: list[Result]) -> str:
    """The cells by memory span, as a chain such as 'lstm 320 > gru 160 = scrn 160 > rnn 10'."""
    ranked = sorted(_short(probed), key=lambda pair: -pair[1].scores[SPLIT]["memory_span"])
    groups = groupby(ranked, key=lambda pair: pair[1].scores[SPLIT]["memory_span"])
    return " > ".join(" = ".join(f"{name} {span:g}" for name, _ in group) for span, group in groups)


def span_row(cell: str, result: Result) -> dict[str, str]:
    """The memory spans of a cell: the median over seeds, the lowest and the highest, for each probe, and their mean."""
    scores, row = result.scores[SPLIT], {"cell": cell}
    for probe in PROBES:
        metric = f"memory_span_{probe}"
        low, high = scores.get(f"{metric}_low"), scores.get(f"{metric}_high")
        ends = "" if low is None or high is None else f" ({low:g} to {high:g})"
        row[probe] = formats.score(metric, scores.get(metric)) + ends
    return row | {"mean": formats.score("memory_span", scores.get("memory_span"))}


def draw_spans(probed: list[Result]) -> Spec:
    """Memory spans by cell: a point for the median over seeds, a line from the lowest to the highest.

    The ticks are the lags that were tried; a span of 0 stands left of the shortest one.
    """
    lags = sorted({lag for result in probed for lag in result.settings.recall.lags})
    nothing = lags[0] / 2
    # Labels stand right of the longest lag, on a narrow screen too.
    room = (lags[-1] / nothing) ** 0.28
    values: list[Spec] = []
    for result in probed:
        for probe in PROBES:
            metric = f"memory_span_{probe}"
            if metric not in result.scores[SPLIT]:
                continue
            median = result.scores[SPLIT][metric]
            low, high = (result.scores[SPLIT].get(f"{metric}_{end}", median) for end in ("low", "high"))
            at = {f"at_{name}": max(span, nothing) for name, span in (("low", low), ("median", median), ("high", high))}
            label = f"{'≥' if median >= result.settings.recall.lags[-1] else ''}{median:g}"
            spans = {"low": low, "median": median, "high": high}
            values.append({"experiment": result.experiment, "probe": probe, **spans, **at, "label": label})
    none_or_lag = f"datum.value < {lags[0]} ? 'none' : format(datum.value, 'd')"
    title = "largest lag solved, in steps (logarithmic)"
    axis = alt.Axis(title=title, values=[nothing, *lags], labelExpr=none_or_lag, labelFlush=False)
    scale = alt.Scale(type="log", domain=[nothing / 1.15, room * lags[-1]], nice=False)
    at_low, at_median, at_high = (alt.X(f"at_{name}:Q", scale=scale, axis=axis) for name in ("low", "median", "high"))
    base = charts.chart(values).encode(
        y=charts.by_experiment([result.experiment for result in probed]),
        yOffset=alt.YOffset("probe:N", sort=list(PROBES)),
        tooltip=tooltip(experiment="N", probe="N", median="Q", low="Q", high="Q"),
    )
    colour = alt.Color("probe:N", scale=alt.Scale(domain=list(PROBES)), legend=None)
    drawn = alt.layer(
        base.mark_rule(strokeWidth=3, opacity=0.45, strokeCap="round").encode(x=at_low, x2="at_high:Q", color=colour),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=at_median, color=colour),
        base.mark_text(style="label", align="left", dx=9).encode(x=at_high, text="label:N"),
    )
    description = "Memory span, median over seeds, lowest to highest: " + ", ".join(
        f"{v['experiment']} {v['probe']} {v['median']:g} ({v['low']:g} to {v['high']:g})" for v in values
    )
    return charts.finish(drawn, description, alt.Step(22, **{"for": "offset"}))


def draw_gradients(root: Path, probed: list[Result]) -> Figure | None:
    """The norm of a loss's gradient by the distance back in time, before training (dashed) and after it."""
    columns = {"when": str, "distance": float, "norm": float}
    points: list[Spec] = [
        {"experiment": result.experiment, **row}
        for result in probed
        for row in results.records(results.table(root, result.experiment, "gradients.csv", columns))
        if charts.drawable(row["norm"])
    ]
    if not points:
        return None
    name, distance = "gradient norm", "steps back from the loss"
    x = alt.X("distance:Q", axis=alt.Axis(title=distance, grid=False), scale=alt.Scale(nice=False))
    y = charts.value_axis("norm", name, [point["norm"] for point in points])
    shown = tooltip(experiment="N", when="N", distance="Q", norm=("Q", ".3~g", name))
    dash = charts.dashed("when", ["initial", "trained"])
    names = ", ".join(dict.fromkeys(point["experiment"] for point in points))
    return charts.lines(points, x, y, shown, f"{name} by {distance}: {names}", title="gradients", dash=dash, dots=False)


def decay_row(cell: str, result: Result) -> dict[str, str]:
    """The fitted decay of a cell's gradient on test text."""
    scores = result.scores[SPLIT]
    return {
        "cell": cell,
        "at initialisation": describe_decay(scores.get("gradient_decay_initial")),
        "after training": describe_decay(scores.get("gradient_decay_trained")),
    }


def describe_decay(factor: float | None) -> str:
    """A decay as text: the factor of one step, and the steps in which the gradient halves or doubles."""
    if factor is None:
        return "–"
    if not charts.drawable(factor) or factor == 1:
        return f"{factor:.3g}"
    steps = abs(math.log(2) / math.log(factor))
    return f"{factor:.3f} ({'×2' if factor > 1 else '½'} in {steps:.2g} steps)" if steps < 1000 else f"{factor:.3f}"


def describe_contexts(models: list[Result]) -> list[str]:
    """For each kind of tokens, a sentence with the context that its models use on test text, longest first."""
    sentences = []
    for kind in dict.fromkeys(model.token_settings.kind for model in models):
        lengths: dict[float, list[str]] = {}
        for model in models:
            if model.token_settings.kind == kind and "context_tokens" in model.scores[SPLIT]:
                lengths.setdefault(model.scores[SPLIT]["context_tokens"], []).append(model.experiment)
        if lengths:
            parts = "; ".join(f"{', '.join(lengths[length])} {length:g}" for length in sorted(lengths, reverse=True))
            sentences.append(f"{kind.capitalize()} used: {parts}.")
    return sentences


def draw_contexts(root: Path, models: list[Result]) -> list[Figure]:
    """Perplexity given the last k tokens only, relative to that with the whole text: one chart a kind of tokens.

    A ring marks the context that a model uses, its `context_tokens`.
    """
    columns = {"split": str, "tokens": float, "perplexity": float}
    figures = []
    for kind in dict.fromkeys(model.token_settings.kind for model in models):
        points: list[Spec] = []
        for model in (model for model in models if model.token_settings.kind == kind):
            table = results.table(root, model.experiment, "context.csv", columns)
            table = table[table["split"] == SPLIT]
            whole = table.loc[table["tokens"].isna(), "perplexity"]
            if whole.empty or not charts.drawable(whole.iloc[0]):
                continue
            points += [
                {
                    "experiment": model.experiment,
                    "tokens": row["tokens"],
                    "ratio": row["perplexity"] / float(whole.iloc[0]),
                    "used": row["tokens"] == model.scores[SPLIT].get("context_tokens"),
                }
                for row in results.records(table.dropna())
                if charts.drawable(row["perplexity"])
            ]
        if not points:
            continue
        longest = max(point["tokens"] for point in points)
        powers = [2**power for power in range(int(math.log2(longest)) + 1)]
        title = f"{kind} the model may read (logarithmic)"
        scale = alt.Scale(type="log", base=2, domain=[1, max(2, longest)], nice=False)
        x = alt.X("tokens:Q", axis=alt.Axis(title=title, grid=False, values=powers), scale=scale)
        name = "perplexity ÷ that with all of the text"
        y = charts.value_axis("ratio", name, [point["ratio"] for point in points])
        shown = tooltip(experiment="N", tokens=("Q", "d", kind), ratio=("Q", ".4~g", "ratio"))
        names = ", ".join(dict.fromkeys(point["experiment"] for point in points))
        rings = [point for point in points if point["used"]]
        figures.append(
            charts.lines(points, x, y, shown, f"{name} by {title}: {names}", title=kind, rings=rings, dots=False)
        )
    return figures


def draw_clipping(root: Path, probed: list[Result]) -> list[tuple[str, Spec]]:
    """For each cell the norm of the gradient at the steps of training, before and after clipping, all on one scale.

    A long training is shown by the largest gradient of each stretch of steps.
    """
    columns = {"step": float, "before": float, "after": float}
    thinned: dict[str, list[Spec]] = {}
    for name, result in _short(probed):
        rows = [
            row
            for row in results.records(results.table(root, result.experiment, "clipping.csv", columns))
            if charts.drawable(row["before"]) and charts.drawable(row["after"])
        ]
        stretch = math.ceil(len(rows) / STEPS)
        if rows:
            thinned[name] = [
                max(rows[first : first + stretch], key=lambda row: row["before"])
                for first in range(0, len(rows), stretch)
            ]
    norms = [row[when] for rows in thinned.values() for row in rows for when in ("before", "after")]

    def draw(cell: str, rows: list[Spec]) -> Spec:
        y = charts.value_axis("after", None, norms, tickCount=4)
        step = alt.Axis(title="step", grid=False, tickCount=4)
        shown = tooltip(**{name: ("Q", ".4~g", name) for name in ("step", "before", "after")})
        base = charts.chart(rows).encode(x=alt.X("step:Q", axis=step, scale=alt.Scale(nice=False)), y=y, tooltip=shown)
        drawn = alt.layer(base.mark_rule(style="cut").encode(y2="before:Q"), base.mark_line(style="clipped"))
        clipped = sum(row["after"] < 0.999 * row["before"] for row in rows)
        highest = max(row["before"] for row in rows)
        places = f"{cell}: norms up to {highest:.3g}; clipped at {clipped} of {len(rows)} places shown"
        return charts.finish(drawn, places, 100)

    return [(cell, draw(cell, rows)) for cell, rows in thinned.items()]
