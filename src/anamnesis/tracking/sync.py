"""Synchronising MLflow with the result files: runs, and the registered models among them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anamnesis import files, params
from anamnesis.files import digest, sha256_file, write_json
from anamnesis.params import Params
from anamnesis.project import home
from anamnesis.tracking.registration import sync_models
from anamnesis.tracking.result_runs import Summary, sync_runs
from anamnesis.tracking.selection import Registered, select_best
from anamnesis.tracking.store import synced_file


@dataclass(frozen=True)
class Synced:
    """The result of a synchronisation."""

    runs: Summary
    models: list[Registered]

    def __str__(self) -> str:
        changed = [model for model in self.models if model.changed or model.note]
        counts = f"registered models: {len(changed)} changed, {len(self.models) - len(changed)} unchanged"
        return "\n".join([str(self.runs), counts, *(f"model {model.model}: {model}" for model in changed)])


def sync(root: Path = Path()) -> Synced:
    """Create a run of each finished experiment, and a version of the best model of each task and corpus.

    A second call changes nothing.

    Raises:
        ParamsError: params.yaml is not valid.
        TrackingError: MLflow cannot be reached.
        AnamnesisError: a result file cannot be read, or a registered model's files are damaged.
    """
    return _sync(select_best(params.load(root / params.PARAMS), root)["models"], root)


def is_synced(root: Path) -> bool:
    """Whether the results on disk are those of the last `sync`, and its database still exists."""
    if not os.environ.get("MLFLOW_TRACKING_URI") and not (home(root) / "mlflow.db").exists():
        return False
    return bool(files.read_state(synced_file(root)) == _digests(root))


def register(settings: Params, root: Path = Path()) -> list[Registered]:
    """Write reports/registry.json, then synchronise MLflow.

    Raises:
        TrackingError: MLflow cannot be reached; the file is complete all the same.
        AnamnesisError: a result file cannot be read, or a selected model's files are damaged.
    """
    content = select_best(settings, root)
    write_json(root / "reports" / "registry.json", content)
    return _sync(content["models"], root).models


def _sync(entries: list[dict[str, Any]], root: Path) -> Synced:
    # Results that a stage writes during the synchronisation are not part of it.
    digests = _digests(root)
    synced = Synced(sync_runs(None, root), sync_models(entries, root))
    write_json(synced_file(root), digests)
    return synced


def _digests(root: Path) -> dict[str, str]:
    """Digests of the tracking address and of the results; the digests of weights are in the models' cards."""
    paths = [path for name in ("models", "metrics", "predictions") for path in (root / name).rglob("*")]
    # params.yaml decides which experiments compete.
    paths = [path for path in [*paths, root / params.PARAMS] if path.is_file()]
    content = [
        f"{path.relative_to(root)} {sha256_file(path)}" for path in sorted(paths) if path.suffix != ".safetensors"
    ]
    return {"tracking": digest(os.environ.get("MLFLOW_TRACKING_URI", "")), "results": digest(*content)}
