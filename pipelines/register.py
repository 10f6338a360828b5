"""Stage `register`: name the best experiment of each task and corpus, and bring MLflow in line."""

import sys
from pathlib import Path

from anamnesis import console, params, project
from anamnesis.tracking import registration, sync
from anamnesis.tracking.store import TrackingError


def main() -> None:
    settings = params.load()
    if left := project.leftovers(Path(), settings.experiments):
        names = ", ".join(map(str, left))
        print(f"note: params.yaml has no experiment for {names}; `anamnesis repro` moves them away", file=sys.stderr)
    try:
        registered = sync.register(settings)
    except TrackingError as error:
        # The stage's output is written by now; MLflow only mirrors it.
        print(f"warning: {error}; `anamnesis sync` registers later", file=sys.stderr, flush=True)
        registered = registration.chosen()
    for entry in registered:
        console.summary("register", entry.model, str(entry))
    for line in registration.left_out():
        print(line, flush=True)


if __name__ == "__main__":
    console.run(main)
