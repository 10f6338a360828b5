"""All that MLflow mirrors of the result files: the runs, and the registered models that come from them."""

import os
from dataclasses import dataclass
from pathlib import Path

from anamnesis import files
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
        return "\n".join([str(self.runs), *(f"model {model.model}: {model}" for model in self.models)])


def sync(root: Path = Path()) -> Synced:
    """Make MLflow hold a run for each finished experiment, and what reports/registry.json says; again changes nothing.

    Raises:
        TrackingError: MLflow cannot be reached.
        AnamnesisError: a result file is not readable, or a registered model's files are damaged.
    """
    synced = Synced(project(None, root), project_registry(root))
    write_json(synced_file(root), _results(root))
    return synced


def is_synced(root: Path) -> bool:
    """Whether the last `sync` saw the results on disk, and its database is still there."""
    if not os.environ.get("MLFLOW_TRACKING_URI") and not (home(root) / "mlflow.db").exists():
        return False
    return bool(files.read_state(synced_file(root)) == _results(root))


def _results(root: Path) -> dict[str, str]:
    """Where the results go, and a digest of all of them but the weights, whose digests the models' cards hold."""
    paths = [path for name in ("models", "metrics", "predictions") for path in (root / name).rglob("*")]
    paths = [path for path in [*paths, root / "reports" / "registry.json"] if path.is_file()]
    content = [
        f"{path.relative_to(root)} {sha256_file(path)}" for path in sorted(paths) if path.suffix != ".safetensors"
    ]
    return {"tracking": os.environ.get("MLFLOW_TRACKING_URI", ""), "results": digest(*content)}


def register(params: Params, root: Path = Path()) -> list[Registered]:
    """Write reports/registry.json, then bring MLflow in line with it.

    Raises:
        TrackingError: MLflow cannot be reached; the file is written nevertheless.
        AnamnesisError: a result file is not readable, or a chosen model's files are damaged.
    """
    write_json(root / "reports" / "registry.json", {"models": choose(params, root)})
    return sync(root).models
