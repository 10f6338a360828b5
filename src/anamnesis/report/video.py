"""Why a network for videos has two parts: what each part alone tells of the digit and of its direction."""

from pathlib import Path
from typing import Any

import altair as alt

from anamnesis.report import charts, formats, results
from anamnesis.report.charts import Spec, tooltip
from anamnesis.report.confusion import COLUMNS, PARTS
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import Result

SPLIT = "test"
ROLES = {
    "cnn": "sees one frame, which cannot show where the digit goes",
    "lstm": "sees all frames, as bare pixels",
    "cnn-lstm": "looks at each frame with convolutions and reads their features in order",
}


def video(root: Path, rows: list[Row]) -> dict[str, Any]:
    """The content of video.html, for experiments with the task `video`; empty for others.

    Returns:
        `parts` that are predicted, their accuracies as a table, `rows`, and as a chart, `spec`, and a `text`;
        `chance` is the accuracy of guessing, by part, if the number of labels is known.

    Raises:
        AnamnesisError: a file of an evaluation is damaged.
    """
    parts = list(PARTS["video"])
    models = [
        row.result
        for row in rows
        if row.result.task == "video" and all(f"{part}_accuracy" in row.result.scores[SPLIT] for part in parts)
    ]
    if not models:
        return {}
    labels = {
        part: {label for each in models for label in results.table(root, each.experiment, file, COLUMNS)["actual"]}
        for part, file in PARTS["video"].items()
    }
    chance = {part: 1 / len(names) for part, names in labels.items() if names}
    table = [
        {
            "experiment": model.experiment,
            **{part: formats.score("accuracy", model.scores[SPLIT][f"{part}_accuracy"]) for part in parts},
            "both": formats.score("accuracy", model.scores[SPLIT]["accuracy"]),
        }
        for model in models
    ]
    if chance:
        guessing = {part: formats.score("accuracy", chance.get(part)) for part in parts}
        table.append({"experiment": "guessing", **guessing, "both": "–"})
    spec = draw_parts(models, parts, chance)
    return {"parts": parts, "rows": table, "chance": chance, "spec": spec, "text": describe(models, parts)}


def draw_parts(models: list[Result], parts: list[str], chance: dict[str, float]) -> Spec:
    """Bars of the accuracy of each part, with a tick at the accuracy of guessing."""
    values: list[Spec] = []
    for model in models:
        for part in parts:
            accuracy = model.scores[SPLIT][f"{part}_accuracy"]
            guess = round(chance.get(part, 0.0), 4)
            # A label stands right of both bar and tick.
            value = {"experiment": model.experiment, "part": part, "accuracy": accuracy, "end": max(accuracy, guess)}
            values.append(value | {"label": formats.score("accuracy", accuracy)} | ({"chance": guess} if guess else {}))

    def x(field: str) -> alt.X:
        # Room for the label of a full bar.
        return alt.X(f"{field}:Q", axis=None, scale=alt.Scale(domain=[0, 1.22], nice=False))

    base = charts.chart(values).encode(
        y=charts.by_experiment([model.experiment for model in models]),
        yOffset=alt.YOffset("part:N", sort=parts),
        tooltip=tooltip(experiment="N", part="N", accuracy=("Q", ".1%", "accuracy"), chance=("Q", ".1%", "guessing")),
    )
    colour = alt.Color("part:N", scale=alt.Scale(domain=parts), legend=None)
    ticks = base.transform_filter("isValid(datum.chance)").mark_tick(style="test", thickness=2, size=18)
    drawn = alt.layer(
        base.mark_bar(cornerRadiusEnd=3).encode(x=x("accuracy"), color=colour),
        ticks.encode(x=x("chance")),
        base.mark_text(style="label", align="left", dx=6).encode(x=x("end"), text="label:N"),
    )
    description = "Test accuracy of each part: " + ", ".join(
        f"{value['experiment']} {value['part']} {value['label']}" for value in values
    )
    return charts.finish(drawn, description, alt.Step(22, **{"for": "offset"}))


def describe(models: list[Result], parts: list[str]) -> str:
    """A sentence for each architecture: what it sees, and how much it tells of the videos."""
    best: dict[str, Result] = {}
    for model in sorted(models, key=lambda model: -model.score):
        best.setdefault(model.architecture, model)
    sentences = []
    for architecture, role in ROLES.items():
        if architecture in best:
            scores = best[architecture].scores[SPLIT]
            shares = (f"the {part} in {formats.score('accuracy', scores[f'{part}_accuracy'])}" for part in parts)
            sentences.append(
                f"{best[architecture].experiment} {role}: it tells {' and '.join(shares)} of the videos, both together "
                f"in {formats.score('accuracy', scores['accuracy'])}."
            )
    return " ".join(sentences)
