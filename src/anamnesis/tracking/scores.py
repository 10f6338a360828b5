"""What the stage `evaluate` logs: the scores of a model, and all else that its run lacks."""

import sys
from pathlib import Path

from anamnesis.errors import AnamnesisError
from anamnesis.tracking.live import is_off
from anamnesis.tracking.projection import project_results
from anamnesis.tracking.results import read


def log_result(name: str, root: Path = Path()) -> None:
    """Bring the run of one experiment in line with its result; a failure costs a warning, not the stage that calls it.

    ANAMNESIS_TRACKING=off tracks nothing.
    """
    if is_off():
        return
    try:
        result = read(name, root)
        project_results([result] if result else [], root)
    except AnamnesisError as error:
        print(f"warning: {error}; `anamnesis sync` adds the scores of {name} later", file=sys.stderr, flush=True)
