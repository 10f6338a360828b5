"""Forecasts of a series: one step ahead, free-running, and how errors grow with the horizon."""

import math
import re
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
from pandas import DataFrame, concat

from anamnesis.report import charts, formats, results
from anamnesis.report.charts import Figure, Spec, tooltip
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import Result

# Labels of the splits in a chart, and formats of time stamps.
PARTS = {"train": "training", "valid": "valid.", "test": "test"}
DATES = {r"\d{4}-\d{2}": "%Y-%m", r"\d{4}-\d{2}-\d{2}": "%Y-%m-%d"}
# Significant digits of a drawn value: a line is one or two pixels wide.
DIGITS = 4
HEIGHT = 260
VALUE: dict[str, Any] = {"axis": alt.Axis(title="value", tickCount=5), "scale": alt.Scale(zero=False)}


def forecasting(root: Path, ranked: list[Row], rows: list[Row]) -> dict[str, Any]:
    """The content of forecasting.html, for experiments with the task `forecasting`; empty for others.

    Args:
        root: the project's folder.
        ranked: the experiments, best first.
        rows: the same in the order of params.yaml, which colours follow.

    Returns:
        `best`, the experiment whose forecasts are drawn unless another is chosen; the figures `series`, `free` and
        `horizons`, None where an evaluation left no file; and a `text`.

    Raises:
        AnamnesisError: a file of an evaluation is damaged.
    """
    # Word numbers are shown as text, not as curves.
    models = [row.result for row in rows if "rmse_free_running" in row.result.scores["valid"]]
    if ranked[0].result.task != "forecasting" or not models:
        return {}
    networks = [model for model in models if not model.baseline] or models
    best = min(networks, key=lambda model: model.score).experiment
    steps = {model.experiment: table for model in models if len(table := read_steps(root, model.experiment))}
    content = {
        "best": best,
        "series": draw_series(root, networks, best),
        "free": draw_free(root, networks, best),
        "horizons": draw_horizons(models, steps),
        "text": describe([row.result for row in ranked], steps),
    }
    return content if content["series"] or content["free"] or content["horizons"] else {}


def read_steps(root: Path, experiment: str) -> DataFrame:
    """The RMSE of free-running forecasts by `step`, sorted."""
    table = results.table(root, experiment, "steps.csv", {"step": float, "rmse": float}).dropna()
    return table.astype({"step": int}).sort_values("step")


def draw_series(root: Path, models: list[Result], best: str) -> Figure | None:
    """The whole series with the one-step forecasts of one model: of `best`, or of the highlighted one.

    The chart holds the values once, as CSV, with a column of forecasts for each model. Times that are neither months,
    days nor numbers are drawn by their place in the series.
    """
    columns = {"split": str, "time": str, "value": float, "forecast": float}
    tables = {}
    for model in models:
        table = results.table(root, model.experiment, "forecasts.csv", columns)
        if len(table):
            # Places count from the end of a split: a model that reads more values starts later in it.
            place = -table.groupby("split").cumcount(ascending=False)
            table = table.replace([np.inf, -np.inf], np.nan).assign(place=place)
            tables[model.experiment] = table.set_index(["split", "place"])
    if not tables:
        return None
    names = list(tables)
    moments = concat([table[["time", "value"]] for table in tables.values()])
    moments = moments[~moments.index.duplicated()]
    moments = moments.join([table["forecast"].rename(name) for name, table in tables.items()]).reset_index()
    splits = {split: number for number, split in enumerate(dict.fromkeys(moments["split"]))}
    moments = moments.assign(part=moments["split"].map(splits)).sort_values(["part", "place"], kind="stable")
    form, axis, key = _time_axis(list(moments["time"]))
    if key is None:
        ends = moments["time"].iloc[0], moments["time"].iloc[-1]
        moments["time"] = [str(place) for place in range(len(moments))]
    else:
        moments = moments.sort_values("time", key=lambda times: times.map(key), kind="stable")
        ends = moments["time"].iloc[0], moments["time"].iloc[-1]
    parts = {split: number for number, split in enumerate(dict.fromkeys(moments["split"]))}
    starts = moments.drop_duplicates("split")
    boundaries = [
        {"time": time, "label": PARTS.get(split, split)}
        for split, time in zip(starts["split"], starts["time"], strict=True)
    ]
    rows = moments.assign(part=moments["split"].map(parts))[["time", "part", "value", *names]]
    text = rows.to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")
    numbers = dict.fromkeys(("part", "value", *names), "number")
    format_ = alt.CsvDataFormat(type="csv", parse={"time": f"utc:'{form}'" if form else "number", **numbers})
    data = charts.chart(text, format=format_)
    x = alt.X("time:T" if form else "time:Q", **axis)
    forecast = (
        data.transform_calculate(experiment=_chosen(best if best in names else names[0]))
        .transform_calculate(forecast="datum[datum.experiment]")
        .transform_filter("isValid(datum.forecast)")
        .mark_line(strokeWidth=1.4, opacity=0.85, clip=True)
        .encode(x=x, y=alt.Y("forecast:Q", **VALUE), color=_colour(names), detail="part:O")
    )
    parse = f"utcParse(datum.time, '{form}')" if form else "toNumber(datum.time)"
    # A rule stands where a part starts; the first part needs none.
    rules = charts.chart(boundaries[1:]).transform_calculate(time=parse).mark_rule(style="boundary").encode(x=x)
    labels = charts.chart(boundaries).transform_calculate(time=parse)
    labels = labels.mark_text(style="label", align="left", baseline="bottom", dx=3, dy=-3)
    drawn = alt.layer(
        data.mark_line(style="data", clip=True).encode(x=x, y=alt.Y("value:Q", **VALUE), detail="part:O"),
        forecast,
        rules,
        labels.encode(x=x, y=alt.value(0), text="label:N"),
    )
    order = ", then ".join(PARTS.get(part, part) for part in parts)
    description = (
        f"The series and one-step forecasts, {order}: {formats.count(len(rows))} values from {ends[0]} to {ends[1]}"
    )
    spec = charts.finish(drawn, description, HEIGHT, highlight=True)
    return Figure("The series", charts.legend(names), spec)


def draw_free(root: Path, models: list[Result], best: str) -> Figure | None:
    """The start of the test split: values, one-step and free-running forecasts of one model at a time.

    Of several free-running forecasts, the first is drawn.
    """
    columns = {"origin": float, "step": float, "time": str, "value": float, "forecast": float}
    points: list[Spec] = []
    values: dict[int, Spec] = {}
    for model in models:
        one_step = results.table(
            root, model.experiment, "forecasts.csv", {"split": str, "time": str, "forecast": float}
        )
        ahead = one_step[one_step["split"] == "test"].set_index("time")["forecast"].to_dict()
        rows = results.table(root, model.experiment, "free.csv", columns)
        for row in results.records(rows[rows["origin"] == rows["origin"].min()]):
            step = int(row["step"])
            values[step] = {"step": step, "time": row["time"], "value": _round(row["value"])}
            points += [
                {"experiment": model.experiment, "step": step, "kind": kind, "forecast": _round(value)}
                for kind, value in (("one-step", ahead.get(row["time"])), ("free-running", row["forecast"]))
                if value is not None and math.isfinite(value)
            ]
    names = list(dict.fromkeys(str(point["experiment"]) for point in points))
    if not names:
        return None
    inorder = [value for _, value in sorted(values.items())]
    last = inorder[-1]["step"]
    title = f"steps, from {inorder[0]['time']} on"
    scale = alt.Scale(domain=[1, max(2, last)], nice=False)
    x = alt.X("step:Q", axis=alt.Axis(title=title, format="d", grid=False), scale=scale)
    y = alt.Y("value:Q", **VALUE)
    chosen = f"datum.experiment === ({_chosen(best if best in names else names[0])})"
    dash = charts.dashed("kind", ["one-step", "free-running"])
    drawn = alt.layer(
        charts.chart(inorder).mark_line(style="data", point=False, strokeWidth=2).encode(x=x, y=y),
        charts.chart(points)
        .transform_filter(chosen)
        .mark_line(strokeWidth=2, clip=True)
        .encode(x=x, y=alt.Y("forecast:Q", **VALUE), color=_colour(names), strokeDash=dash),
        charts.targets(inorder, x, y, tooltip(time="N", step="Q", value="Q")),
    )
    description = f"The first {last} values of the test data with one-step and free-running forecasts of " + ", ".join(
        names
    )
    return Figure("Free-running", charts.legend(names), charts.finish(drawn, description, HEIGHT, highlight=True))


def draw_horizons(models: list[Result], steps: dict[str, DataFrame]) -> Figure | None:
    """RMSE of free-running forecasts by steps ahead: lines of networks, dotted ones of baselines."""
    points: dict[bool, list[Spec]] = {False: [], True: []}
    for model in models:
        if model.experiment in steps:
            points[model.baseline] += [
                {"experiment": model.experiment, "step": step, "rmse": _round(rmse)}
                for step, rmse in steps[model.experiment].itertuples(index=False)
            ]
    if not steps:
        return None
    last = max(int(table["step"].max()) for table in steps.values())
    scale = alt.Scale(domain=[1, max(2, last)], nice=False)
    x = alt.X("step:Q", axis=alt.Axis(title="steps ahead", format="d", grid=False), scale=scale)
    name = formats.name("rmse")
    y = alt.Y("rmse:Q", axis=alt.Axis(title=name, tickCount=5), scale=alt.Scale(zero=True))
    shown = tooltip(experiment="N", step=("Q", "d", "steps ahead"), rmse=("Q", ".4~g", name))
    description = "RMSE of free-running forecasts, one step and most steps ahead: " + "; ".join(
        f"{name} {_both(table)}" for name, table in steps.items()
    )
    title = "RMSE by horizon"
    return charts.lines(points[False], x, y, shown, description, title=title, baselines=points[True], dots=False)


def describe(models: list[Result], steps: dict[str, DataFrame]) -> str:
    """The error of the best network and of the best baseline, one step and most steps ahead, in words."""
    sentences = []
    for baseline, name in ((False, "network"), (True, "baseline")):
        model = next((each for each in models if each.baseline == baseline and each.experiment in steps), None)
        if model is not None:
            table = steps[model.experiment]
            first, furthest = (formats.score("rmse", table["rmse"].iloc[place]) for place in (0, -1))
            sentences.append(
                f"The best {name}, {model.experiment}, has an RMSE of {first} one step ahead and of {furthest} at "
                f"{table['step'].iloc[-1]} steps, reading its own forecasts."
            )
    return " ".join(sentences)


def _both(table: DataFrame) -> str:
    return " and ".join(formats.score("rmse", table["rmse"].iloc[place]) for place in (0, -1))


def _chosen(best: str) -> str:
    """The Vega expression of the experiment to draw."""
    return f"highlight === null ? '{best}' : highlight"


def _time_axis(times: list[str]) -> tuple[str, dict[str, Any], Any]:
    """The format of dates, the options of their axis, and a key that sorts them.

    The format of numbers is empty. Times that are neither have no key, and an axis of places.
    """
    for pattern, form in DATES.items():
        if all(re.fullmatch(pattern, time) for time in times):
            # Universal time, so that a month starts in that month wherever the page is read.
            axis = alt.Axis(title=None, format="%Y", grid=False, tickCount=10, labelOverlap=True)
            return form, {"scale": alt.Scale(type="utc", nice=False), "axis": axis}, str
    scale = alt.Scale(zero=False, nice=False)
    try:
        if all(math.isfinite(float(time)) for time in times):
            return "", {"scale": scale, "axis": alt.Axis(title="time", format="~r", grid=False)}, float
    except ValueError:
        pass
    return "", {"scale": scale, "axis": alt.Axis(title="place in the series", format="d", grid=False)}, None


def _colour(names: list[str]) -> alt.Color:
    return alt.Color("experiment:N", scale=alt.Scale(domain=names), legend=None)


def _round(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
