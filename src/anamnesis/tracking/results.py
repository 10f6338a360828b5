"""The result files of one experiment: its model, metrics and predictions."""

import csv
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from anamnesis import files
from anamnesis.errors import AnamnesisError
from anamnesis.tracking.store import experiment_name


@dataclass(frozen=True)
class Result:
    """The result of an experiment.

    Attributes:
        name: the experiment.
        root: the project's folder.
        card: content of models/NAME/model.json.
        metrics: content of metrics/NAME.json; None if the file is missing or is another model's.
    """

    name: str
    root: Path
    card: dict[str, Any]
    metrics: dict[str, Any] | None

    @property
    def folder(self) -> Path:
        return self.root / "models" / self.name

    @property
    def fingerprint(self) -> str:
        return str(self.card["fingerprint"])

    @property
    def group(self) -> str:
        """The name of the MLflow experiment, one for each task and corpus."""
        return experiment_name(self.root, self.card["task"], self.card["corpus"])

    @cached_property
    def timings(self) -> dict[str, Any]:
        """Seconds and speed of this model's training; empty if the model was not trained in this folder."""
        path = self.root / ".anamnesis" / "timings" / f"{self.name}.json"
        timings = read_json(path) if path.is_file() else {}
        return timings if timings.get("fingerprint") == self.fingerprint else {}

    @cached_property
    def texts(self) -> dict[str, str]:
        """The sha256 of the text of each split, where it is known."""
        texts = dict(self.metrics.get("data", {})) if self.metrics else {}
        stats = self.root / "data" / "tokens" / str(self.card.get("tokens")) / "stats.json"
        if stats.is_file():
            splits = read_json(stats).get("splits", {})
            # A token store that was written after the evaluation may have other texts.
            if all(splits.get(name, {}).get("text_sha256") == value for name, value in texts.items()):
                texts |= {name: split["text_sha256"] for name, split in splits.items() if "text_sha256" in split}
        return texts

    def history(self) -> list[tuple[int, dict[str, float]]]:
        """The epochs in history.csv with their values by column, without empty cells and values that are not finite."""
        path = self.folder / "history.csv"
        if not path.is_file():
            return []
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        try:
            return [
                (int(row["epoch"]), {key: float(row[key]) for key in row if key != "epoch" and _is_finite(row[key])})
                for row in rows
            ]
        except (KeyError, ValueError) as error:
            raise AnamnesisError(f"{path}: not a history of epochs: {error}") from None

    def documents(self) -> dict[str, Path]:
        """The small files to log as artifacts, by name."""
        files = {
            "model.json": self.folder / "model.json",
            "history.csv": self.folder / "history.csv",
            "samples.txt": self.folder / "samples.txt",
        }
        tables = ("samples.json", "translations.csv", "confusion.csv", "captions.csv", "forecasts.csv")
        files |= {name: self.root / "predictions" / self.name / name for name in tables}
        if self.metrics:
            files["metrics.json"] = self.root / "metrics" / f"{self.name}.json"
        return {name: path for name, path in files.items() if path.is_file()}


def read(name: str, root: Path) -> Result | None:
    """The result of experiment `name`, or None if it has not been trained.

    Raises:
        AnamnesisError: a result file is damaged.
    """
    path = root / "models" / name / "model.json"
    if not path.is_file():
        return None
    advice = f"run `anamnesis repro {name}`"
    card = read_json(path, advice)
    missing = [key for key in ("fingerprint", "task", "corpus", "inputs") if key not in card]
    if missing:
        raise AnamnesisError(f"{path}: {missing[0]} is missing; {advice}")
    scores = root / "metrics" / f"{name}.json"
    metrics = read_json(scores, advice) if scores.is_file() else None
    # These may be metrics of an earlier training.
    if metrics and metrics.get("fingerprint") != card["fingerprint"]:
        metrics = None
    return Result(name, root, card, metrics)


def read_json(path: Path, advice: str = "run `anamnesis repro`") -> dict[str, Any]:
    """The object in a JSON file.

    Args:
        advice: the end of the error message.

    Raises:
        AnamnesisError: it is not valid JSON, or not an object.
    """
    value = files.read_json(path, advice)
    if not isinstance(value, dict):
        raise AnamnesisError(f"{path}: found {type(value).__name__}, allowed: an object; {advice}")
    return value


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as params of MLflow, 'outer.inner' -> text, without nulls and empty texts."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        elif value is not None and str(value):
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _is_finite(cell: str | None) -> bool:
    return bool(cell) and math.isfinite(float(cell or "nan"))
