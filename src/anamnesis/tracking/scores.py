"""What the stage `evaluate` logs: the scores of a model, and all else that its run lacks."""

import sys
from pathlib import Path

from anamnesis.console import printable
from anamnesis.tracking.live import is_off
from anamnesis.tracking.projection import project_results
from anamnesis.tracking.results import read
from anamnesis.tracking.store import describe_failure, tracking_uri


def log_result(name: str, root: Path = Path()) -> None:
    """Bring the run of one experiment in line with its result; a failure costs a warning, not the stage that calls it.

    ANAMNESIS_TRACKING=off tracks nothing.
    """
    if is_off():
        return
    try:
        result = read(name, root)
        project_results([result] if result else [], root)
    except Exception as error:
        reason = printable(describe_failure(tracking_uri(root), error)[:300])
        print(f"warning: {reason}; `anamnesis sync` adds the scores of {name} later", file=sys.stderr, flush=True)
