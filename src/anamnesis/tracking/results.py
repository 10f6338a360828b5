"""One experiment's finished result as the stages left it: models/E, metrics/E.json and what goes with them."""

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
    """The files of experiment `name`.

    `card` is models/E/model.json; `metrics` is metrics/E.json, or None when that is of another model or not there.
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
        """The MLflow experiment it belongs to, one for each leaderboard and corpus."""
        return experiment_name(self.root, self.card["task"], self.card["corpus"])

    @cached_property
    def timings(self) -> dict[str, Any]:
        """Speed measured when exactly this model was trained here; empty when it was trained elsewhere or restored."""
        path = self.root / ".anamnesis" / "timings" / f"{self.name}.json"
        timings = read_json(path) if path.is_file() else {}
        return timings if timings.get("fingerprint") == self.fingerprint else {}

    @cached_property
    def texts(self) -> dict[str, str]:
        """Split -> sha256 of its text, as far as it is known here."""
        texts = dict(self.metrics.get("data", {})) if self.metrics else {}
        stats = self.root / "data" / "tokens" / str(self.card.get("tokens")) / "stats.json"
        if stats.is_file():
            splits = read_json(stats).get("splits", {})
            # The store may have been made anew since this model was evaluated: then it says nothing about the model.
            if all(splits.get(name, {}).get("text_sha256") == value for name, value in texts.items()):
                texts |= {name: split["text_sha256"] for name, split in splits.items() if "text_sha256" in split}
        return texts

    def history(self) -> list[tuple[int, dict[str, float]]]:
        """history.csv as (epoch, column -> value); empty cells and values that are not finite are left out."""
        path = self.folder / "history.csv"
        if not path.is_file():
            return []
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        try:
            return [
                (int(row["epoch"]), {key: float(row[key]) for key in row if key != "epoch" and _finite(row[key])})
                for row in rows
            ]
        except (KeyError, ValueError) as error:
            raise AnamnesisError(f"{path}: not a history of epochs: {error}") from None

    def documents(self) -> dict[str, Path]:
        """Artifact name -> file, for the small files that a reader of the run wants."""
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
    """The result of experiment `name`, or None when it has not been trained.

    Raises:
        AnamnesisError: a file of it is not what the stages write.
    """
    path = root / "models" / name / "model.json"
    if not path.is_file():
        return None
    mend = f"run `anamnesis repro {name}`"
    card = read_json(path, mend)
    missing = [key for key in ("fingerprint", "task", "corpus", "inputs") if key not in card]
    if missing:
        raise AnamnesisError(f"{path}: {missing[0]} is missing; {mend}")
    scores = root / "metrics" / f"{name}.json"
    metrics = read_json(scores, mend) if scores.is_file() else None
    # Metrics of an earlier training say nothing about this model.
    if metrics and metrics.get("fingerprint") != card["fingerprint"]:
        metrics = None
    return Result(name, root, card, metrics)


def read_json(path: Path, mend: str = "run `anamnesis repro`") -> dict[str, Any]:
    """The object in a JSON file.

    Args:
        mend: what to run when the file is damaged.

    Raises:
        AnamnesisError: it is not valid JSON, or not an object.
    """
    value = files.read_json(path, mend)
    if not isinstance(value, dict):
        raise AnamnesisError(f"{path}: found {type(value).__name__}, allowed: an object; {mend}")
    return value


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as 'outer.inner' -> text, what MLflow calls params; nulls and empty texts are left out."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        elif value is not None and str(value):
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _finite(cell: str | None) -> bool:
    return bool(cell) and math.isfinite(float(cell or "nan"))
