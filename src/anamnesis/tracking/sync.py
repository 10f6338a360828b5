"""All that MLflow mirrors of the result files: the runs, and the registered models that come from them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anamnesis import files, params
from anamnesis.files import digest, sha256_file, write_json
from anamnesis.params import Params
from anamnesis.project import home
from anamnesis.tracking.projection import Summary, project
from anamnesis.tracking.registration import Registered, choose, project_registry
from anamnesis.tracking.store import synced_file


@dataclass(frozen=True)
class Synced:
    """What one synchronisation did."""

    runs: Summary
    models: list[Registered]

    def __str__(self) -> str:
        changed = [model for model in self.models if model.changed or model.note]
        counts = f"registered models: {len(changed)} changed, {len(self.models) - len(changed)} unchanged"
        return "\n".join([str(self.runs), counts, *(f"model {model.model}: {model}" for model in changed)])


def sync(root: Path = Path()) -> Synced:
    """Make MLflow hold a run for each finished experiment, and the best of each task and corpus as a version.

    Doing it again changes nothing.

    Raises:
        ParamsError: params.yaml is not valid.
        TrackingError: MLflow cannot be reached.
        AnamnesisError: a result file is not readable, or a registered model's files are damaged.
    """
    return _sync(choose(params.load(root / params.PARAMS), root)["models"], root)


def is_synced(root: Path) -> bool:
    """Whether the last `sync` saw the results on disk, and its database is still there."""
    if not os.environ.get("MLFLOW_TRACKING_URI") and not (home(root) / "mlflow.db").exists():
        return False
    return bool(files.read_state(synced_file(root)) == _results(root))


def register(settings: Params, root: Path = Path()) -> list[Registered]:
    """Write reports/registry.json, then bring MLflow in line with it.

    Raises:
        TrackingError: MLflow cannot be reached; the file is written nevertheless.
        AnamnesisError: a result file is not readable, or a chosen model's files are damaged.
    """
    content = choose(settings, root)
    write_json(root / "reports" / "registry.json", content)
    return _sync(content["models"], root).models


def _sync(entries: list[dict[str, Any]], root: Path) -> Synced:
    # Before the rest: what a stage writes meanwhile is left to the next one.
    seen = _results(root)
    synced = Synced(project(None, root), project_registry(entries, root))
    write_json(synced_file(root), seen)
    return synced


def _results(root: Path) -> dict[str, str]:
    """Digests of where the results go, and of all of them but the weights, whose digests the models' cards hold."""
    paths = [path for name in ("models", "metrics", "predictions") for path in (root / name).rglob("*")]
    # The settings say which experiments compete.
    paths = [path for path in [*paths, root / params.PARAMS] if path.is_file()]
    content = [
        f"{path.relative_to(root)} {sha256_file(path)}" for path in sorted(paths) if path.suffix != ".safetensors"
    ]
    return {"tracking": digest(os.environ.get("MLFLOW_TRACKING_URI", "")), "results": digest(*content)}
