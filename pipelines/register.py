"""Stage `register`: name the best experiment of each task and corpus, and bring MLflow in line."""

import sys

from anamnesis import console, params
from anamnesis.tracking import registration, sync
from anamnesis.tracking.store import TrackingError


def main() -> None:
    settings = params.load()
    try:
        registered = sync.register(settings)
    except TrackingError as error:
        # The stage's output is written by now; MLflow only mirrors it.
        print(f"warning: {error}; `anamnesis sync` registers later", file=sys.stderr, flush=True)
        registered = registration.chosen()
    for entry in registered:
        console.summary("register", entry.model, str(entry))


if __name__ == "__main__":
    console.run(main)
