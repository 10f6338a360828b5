"""How images are read: some of the test split with each model's caption, and exact match by number of digits."""

import base64
from dataclasses import dataclass
from pathlib import Path

from anamnesis.errors import AnamnesisError
from anamnesis.report import charts, formats, results
from anamnesis.report.charts import Figure, Spec
from anamnesis.report.leaderboard import Row
from anamnesis.report.results import Result

# How many images are shown, and how many bytes one may have: the page holds them.
IMAGES, LARGEST = 8, 65_536
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Said:
    """What one experiment made of an image, and whether that is its reference, letter by letter."""

    name: str
    baseline: bool
    text: str
    right: bool


@dataclass(frozen=True)
class Image:
    """An image of the test split as a `data:` address, its reference, and the captions, the best network's first."""

    address: str
    reference: str
    said: list[Said]


@dataclass(frozen=True)
class Captions:
    """What the page says of one corpus besides its leaderboard; what there is nothing of is empty."""

    images: list[Image]
    lengths: Figure | None


def captions(root: Path, ranked: list[Row], order: list[str]) -> Captions | None:
    """Of one corpus of the board `caption`, best first; None on any other board. Colours follow the `order`.

    Raises:
        AnamnesisError: a file of an evaluation is damaged.
    """
    models = [row.result for row in ranked if row.result.task == "captioning"]
    if not models:
        return None
    inorder = sorted(models, key=lambda model: order.index(model.experiment))
    return Captions(images(root, models), lengths(root, inorder))


def images(root: Path, models: list[Result]) -> list[Image]:
    """The first `IMAGES` images that an evaluation kept, with the captions of all that read the same images.

    The images of an experiment are the first of its captions.csv, in that order.

    Raises:
        AnamnesisError: a file is damaged.
    """
    fields: dict[str, type[str | float]] = {"reference": str, "caption": str}
    tables = {model.experiment: results.table(root, model.experiment, "captions.csv", fields) for model in models}
    for keeper in models:
        paths = sorted((root / "predictions" / keeper.experiment / "images").glob("*.png"))[:IMAGES]
        if not paths:
            continue
        same = [
            model for model in models if tables[model.experiment] and model.settings.images == keeper.settings.images
        ]
        # Networks before baselines; sorting is stable.
        same.sort(key=lambda model: model.baseline)
        short = formats.short([model.experiment for model in models])
        found = []
        for place, path in enumerate(paths):
            rows = tables[keeper.experiment][place : place + 1]
            if not rows or path.stem.partition("-")[2] != rows[0]["reference"].replace(" ", "-"):
                raise AnamnesisError(
                    f"{path}: not the image of row {place + 1} of captions.csv; {results.mend(keeper.experiment)}"
                )
            reference = rows[0]["reference"]
            said = [
                Said(short[model.experiment], model.baseline, own["caption"], own["caption"] == reference)
                for model in same
                for own in tables[model.experiment][place : place + 1]
                if own["reference"] == reference
            ]
            found.append(Image(_address(path, keeper.experiment), reference, said))
        return found
    return []


def lengths(root: Path, models: list[Result]) -> Figure | None:
    """Exact match by the number of digits: a line for each network, a dotted one for each baseline."""
    fields: dict[str, type[str | float]] = {"digits": float, "images": float, "exact_match": float}
    points: dict[bool, list[Spec]] = {False: [], True: []}
    counts = {}
    for model in models:
        for row in results.table(root, model.experiment, "lengths.csv", fields):
            if row["digits"] is not None and row["exact_match"] is not None:
                digits = str(int(row["digits"]))
                counts[int(digits)] = formats.count(int(row["images"] or 0))
                points[model.baseline].append(
                    {"experiment": model.experiment, "digits": digits, "exact_match": row["exact_match"]}
                )
    if not points[False]:
        return None
    labels = {str(digits): f"{digits} digits, {number} images" for digits, number in sorted(counts.items())}
    x: Spec = {
        "field": "digits",
        "type": "ordinal",
        "scale": {"domain": list(labels)},
        "axis": {"title": "digits of an image", "labelAngle": 0, "grid": False},
    }
    y: Spec = {
        "field": "exact_match",
        "type": "quantitative",
        "axis": {"title": formats.name("exact_match"), "tickCount": 5, "format": ".0%"},
        "scale": {"domain": [0, 1]},
    }
    tooltip: list[Spec] = [
        {"field": "experiment", "type": "nominal"},
        {"field": "digits", "type": "nominal"},
        {"field": "exact_match", "type": "quantitative", "format": ".1%", "title": formats.name("exact_match")},
    ]
    figure = charts.floored("Exact match by number of digits", points[False], points[True], x, y, tooltip)
    figure.spec["description"] = f"Exact match by number of digits ({'; '.join(labels.values())}): " + "; ".join(
        f"{name} "
        + ", ".join(
            f"{formats.score('exact_match', point['exact_match'])} ({point['digits']})"
            for point in (*points[False], *points[True])
            if point["experiment"] == name
        )
        for name, _ in figure.legend
    )
    return figure


def _address(path: Path, experiment: str) -> str:
    content = path.read_bytes()
    if not content.startswith(PNG) or len(content) > LARGEST:
        raise AnamnesisError(f"{path}: not a PNG image of at most {LARGEST:,} bytes; {results.mend(experiment)}")
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
