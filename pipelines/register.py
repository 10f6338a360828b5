"""The register stage: `python -P pipelines/register.py` writes the best experiment of each task and corpus to
reports/registry.json, and brings MLflow in line."""

import sys

from anamnesis import console, params, project
from anamnesis.tracking import registration, sync
from anamnesis.tracking.store import TrackingError


def main() -> None:
    root, _ = console.arguments()
    settings = params.load(root / params.PARAMS)
    if left := project.leftovers(root, settings.experiments):
        names = ", ".join(map(str, left))
        print(f"note: params.yaml has no experiment for {names}; `anamnesis repro` moves them away", file=sys.stderr)
    try:
        registered = sync.register(settings, root)
    except TrackingError as error:
        # The stage's output is written by now; MLflow only mirrors it.
        print(f"warning: {error}; `anamnesis sync` registers later", file=sys.stderr, flush=True)
        registered = registration.chosen(root)
    for entry in registered:
        console.summary("register", entry.model, str(entry))
    for line in registration.left_out(root):
        print(line, flush=True)


if __name__ == "__main__":
    console.run(main)
