"""All that MLflow mirrors of the result files: the runs, and the registered models that come from them."""

from dataclasses import dataclass
from pathlib import Path

from anamnesis.files import write_json
from anamnesis.params import Params
from anamnesis.tracking.projection import Summary, project
from anamnesis.tracking.registration import Registered, choose, project_registry


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
    return Synced(project(None, root), project_registry(root))


def register(params: Params, root: Path = Path()) -> list[Registered]:
    """Write reports/registry.json, then bring MLflow in line with it.

    Raises:
        TrackingError: MLflow cannot be reached; the file is written nevertheless.
        AnamnesisError: a result file is not readable, or a chosen model's files are damaged.
    """
    write_json(root / "reports" / "registry.json", {"models": choose(params, root)})
    return sync(root).models
