"""Captions: images of the test split with each model's caption, and exact match by number of digits."""

import base64
from pathlib import Path
from typing import Any

import altair as alt

from anamnesis.errors import AnamnesisError
from anamnesis.report import charts, formats, results
from anamnesis.report.charts import Figure, Spec, tooltip
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import Result

# How many images the page holds, and how many bytes each may have.
IMAGES, LARGEST = 8, 65_536
PNG = b"\x89PNG\r\n\x1a\n"


def captioning(root: Path, ranked: list[Row], rows: list[Row]) -> dict[str, Any]:
    """The content of captioning.html, for experiments with the task `captioning`; empty for others.

    Args:
        root: the project's folder.
        ranked: the experiments, best first.
        rows: the same in the order of params.yaml, which colours follow.

    Raises:
        AnamnesisError: a file of an evaluation is damaged.
    """
    if ranked[0].result.task != "captioning":
        return {}
    return {
        "images": images(root, [row.result for row in ranked]),
        "lengths": draw_lengths(root, [row.result for row in rows]),
    }


def images(root: Path, models: list[Result]) -> list[dict[str, Any]]:
    """The first images of the best evaluation that has any, with the captions of all models of the same images.

    The images of an experiment are the first ones of its captions.csv, in that order.

    Returns:
        Rows with the `address` of an image, as a data URL, its `reference`, and `captions`, networks' first, each with
        `name`, `baseline`, `text` and `right`.

    Raises:
        AnamnesisError: a file is damaged.
    """
    columns = {"reference": str, "caption": str}
    tables = {each.experiment: results.table(root, each.experiment, "captions.csv", columns) for each in models}
    folders = {each.experiment: root / "predictions" / each.experiment / "images" for each in models}
    owner = next((each for each in models if any(folders[each.experiment].glob("*.png"))), None)
    if owner is None:
        return []
    # Sorting is stable: networks come first, the best before others.
    same = sorted(
        (each for each in models if each.settings.images == owner.settings.images), key=lambda each: each.baseline
    )
    short = formats.short([model.experiment for model in models])
    content = []
    for place, path in enumerate(sorted(folders[owner.experiment].glob("*.png"))[:IMAGES]):
        references = tables[owner.experiment]["reference"]
        if place >= len(references) or path.stem.partition("-")[2] != references[place].replace(" ", "-"):
            problem = f"not the image of row {place + 1} of captions.csv"
            raise AnamnesisError(f"{path}: {problem}; {results.hint(owner.experiment)}")
        captions = [
            {
                "name": short[model.experiment],
                "baseline": model.baseline,
                "text": row["caption"],
                "right": row["caption"] == row["reference"],
            }
            for model in same
            for row in results.records(tables[model.experiment].iloc[place : place + 1])
            if row["reference"] == references[place]
        ]
        address = _address(path, owner.experiment)
        content.append({"address": address, "reference": references[place], "captions": captions})
    return content


def draw_lengths(root: Path, models: list[Result]) -> Figure | None:
    """Exact match by the number of digits: a line for each network, a dotted one for each baseline."""
    columns = {"digits": float, "images": float, "exact_match": float}
    points: dict[bool, list[Spec]] = {False: [], True: []}
    counts: dict[int, str] = {}
    for model in models:
        table = results.table(root, model.experiment, "lengths.csv", columns).dropna(subset=["digits", "exact_match"])
        for row in results.records(table.fillna(0.0).astype({"digits": int, "images": int})):
            counts[row["digits"]] = formats.count(row["images"])
            point = {"experiment": model.experiment, "digits": str(row["digits"]), "exact_match": row["exact_match"]}
            points[model.baseline].append(point)
    if not points[False]:
        return None
    name = formats.name("exact_match")
    labels = {str(digits): f"{digits} digits, {number} images" for digits, number in sorted(counts.items())}
    digits = alt.Axis(title="digits of an image", labelAngle=0, grid=False)
    x = alt.X("digits:O", scale=alt.Scale(domain=list(labels)), axis=digits)
    share = alt.Axis(title=name, tickCount=5, format=".0%")
    y = alt.Y("exact_match:Q", axis=share, scale=alt.Scale(domain=[0, 1]))
    shown = tooltip(experiment="N", digits="N", exact_match=("Q", ".1%", name))
    title = "Exact match by number of digits"
    every = [*points[False], *points[True]]
    description = f"{title} ({'; '.join(labels.values())}): " + describe_points(every, "exact_match", "digits")
    return charts.lines(points[False], x, y, shown, description, title=title, baselines=points[True])


def describe_points(points: list[Spec], metric: str, place: str) -> str:
    """The points of each experiment in words."""
    names = dict.fromkeys(point["experiment"] for point in points)
    return "; ".join(
        f"{name} "
        + ", ".join(
            f"{formats.score(metric, point[metric])} ({point[place]})"
            for point in points
            if point["experiment"] == name
        )
        for name in names
    )


def _address(path: Path, experiment: str) -> str:
    content = path.read_bytes()
    if not content.startswith(PNG) or len(content) > LARGEST:
        raise AnamnesisError(f"{path}: not a PNG image of at most {LARGEST:,} bytes; {results.hint(experiment)}")
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
