"""The register stage: write the best experiment of each task and corpus, and register its model in MLflow."""

import sys
from pathlib import Path

from anamnesis import console, params, project
from anamnesis.tracking import selection, sync
from anamnesis.tracking.store import TrackingError


def register(root: Path = Path()) -> None:
    """Write reports/registry.json, synchronise MLflow, and print a line for each registered model.

    If MLflow cannot be reached, the stage prints a warning: its output does not depend on MLflow.

    Args:
        root: the project's folder.

    Raises:
        ParamsError: params.yaml is not valid.
        AnamnesisError: a result file cannot be read, or a selected model's files are damaged.
    """
    settings = params.load(root / params.PARAMS)
    if leftovers := project.leftovers(root, settings.experiments):
        names = ", ".join(map(str, leftovers))
        print(f"note: params.yaml has no experiment for {names}; `anamnesis repro` moves them away", file=sys.stderr)
    try:
        registered = sync.register(settings, root)
    except TrackingError as error:
        print(f"warning: {error}; `anamnesis sync` registers later", file=sys.stderr, flush=True)
        registered = selection.read_selection(root)
    for model in registered:
        console.summary("register", model.model, str(model))
    for line in selection.describe_left_out(root):
        print(line, flush=True)
