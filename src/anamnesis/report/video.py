"""Why a network for videos has two parts: what each half tells alone of the digit, and of its direction."""

from dataclasses import dataclass
from pathlib import Path

from anamnesis.report import charts, formats, results
from anamnesis.report.charts import Spec
from anamnesis.report.confusion import FIELDS, PARTS
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import Result

SPLIT = "test"


@dataclass(frozen=True)
class Frames:
    """The halves of what is predicted, and by experiment how often each was right, in words and as a chart.

    `chance[part]` is the accuracy of guessing in percent, where the number of labels is known.
    """

    parts: list[str]
    scores: list[tuple[str, dict[str, str]]]
    chance: dict[str, str]
    spec: Spec
    text: str


def video(root: Path, ranked: list[Row], order: list[str]) -> Frames | None:
    """Of one corpus of the leaderboard `video`, experiments in their `order`; None on any other board.

    Raises:
        AnamnesisError: a file of an evaluation is damaged.
    """
    parts = [part for part, _ in PARTS["video"]]
    models = sorted(
        (
            row.result
            for row in ranked
            if row.result.task == "video" and all(f"{part}_accuracy" in row.result.scores[SPLIT] for part in parts)
        ),
        key=lambda model: order.index(model.experiment),
    )
    if not models:
        return None
    chance = {part: 1 / labels for part, labels in _labels(root, models).items()}
    scores = [
        (
            model.experiment,
            {
                part: formats.score("accuracy", model.scores[SPLIT][metric])
                for part, metric in (*((part, f"{part}_accuracy") for part in parts), ("both", "accuracy"))
            },
        )
        for model in models
    ]
    return Frames(
        [*parts, "both"],
        scores,
        {part: formats.score("accuracy", share) for part, share in chance.items()},
        halves(models, parts, chance),
        told(models, parts),
    )


def halves(models: list[Result], parts: list[str], chance: dict[str, float]) -> Spec:
    """Bars of how often the digit and the direction were right, with a tick where guessing would be."""
    values: list[Spec] = [
        {
            "experiment": model.experiment,
            "part": part,
            "accuracy": model.scores[SPLIT][f"{part}_accuracy"],
            "label": formats.score("accuracy", model.scores[SPLIT][f"{part}_accuracy"]),
            # A label stands right of bar and tick.
            "end": max(model.scores[SPLIT][f"{part}_accuracy"], round(chance.get(part, 0.0), 4)),
            **({"chance": round(chance[part], 4)} if part in chance else {}),
        }
        for model in models
        for part in parts
    ]
    tooltip: list[Spec] = [
        {"field": "experiment", "type": "nominal"},
        {"field": "part", "type": "nominal"},
        {"field": "accuracy", "type": "quantitative", "format": ".1%"},
        {"field": "chance", "type": "quantitative", "format": ".1%"},
    ]
    # Room for the label of a full bar.
    x: Spec = {"type": "quantitative", "axis": None, "scale": {"domain": [0, 1.22], "nice": False}}
    colour = {"field": "part", "type": "nominal", "scale": {"domain": parts}, "legend": None}
    return {
        "description": "Test accuracy of each part: "
        + ", ".join(f"{v['experiment']} {v['part']} {v['label']}" for v in values),
        "width": "container",
        "height": {"step": 22, "for": "offset"},
        "data": {"values": values},
        "encoding": {
            "y": charts.by_name(formats.short([model.experiment for model in models])),
            "yOffset": {"field": "part", "type": "nominal", "sort": parts},
            "tooltip": tooltip,
        },
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadiusEnd": 3},
                "encoding": {"x": {**x, "field": "accuracy"}, "color": colour},
            },
            {
                "transform": [{"filter": "isValid(datum.chance)"}],
                "mark": {"type": "tick", "style": "test", "thickness": 2, "size": 18},
                "encoding": {"x": {**x, "field": "chance"}},
            },
            {
                "mark": {"type": "text", "style": "label", "align": "left", "dx": 6},
                "encoding": {"x": {**x, "field": "end"}, "text": {"field": "label"}},
            },
        ],
    }


def told(models: list[Result], parts: list[str]) -> str:
    """What each network alone is good for, as measured: one sentence for each of the three architectures there is."""
    best = {model.architecture: model for model in reversed(models)}
    roles = {
        "cnn": "sees one frame, which cannot show where the digit goes",
        "lstm": "sees all frames, as bare pixels",
        "cnn-lstm": "looks at each frame with convolutions and reads what they saw in order",
    }
    sentences = []
    for architecture, role in roles.items():
        if architecture in best:
            scores = best[architecture].scores[SPLIT]
            right = " and ".join(
                f"the {part} in {formats.score('accuracy', scores[f'{part}_accuracy'])}" for part in parts
            )
            both = formats.score("accuracy", scores["accuracy"])
            sentences.append(
                f"{best[architecture].experiment} {role}: it tells {right} of the videos, both together in {both}."
            )
    return " ".join(sentences)


def _labels(root: Path, models: list[Result]) -> dict[str, int]:
    """How many labels each part has, of those whose confusions were counted."""
    found = {}
    for part, file in PARTS["video"]:
        labels = {row["actual"] for model in models for row in results.table(root, model.experiment, file, FIELDS)}
        if labels:
            found[part] = len(labels)
    return found
