"""Logging of the evaluate stage."""

import sys
from pathlib import Path

from anamnesis.console import printable
from anamnesis.tracking.live import is_disabled
from anamnesis.tracking.result_runs import log_results
from anamnesis.tracking.results import read
from anamnesis.tracking.store import describe_failure, tracking_uri


def log_result(name: str, root: Path = Path()) -> None:
    """Log the scores of an experiment, and everything else that its run lacks; a failure prints a warning.

    With ANAMNESIS_TRACKING=off, this does nothing.
    """
    if is_disabled():
        return
    try:
        result = read(name, root)
        log_results([result] if result else [], root)
    except Exception as error:
        reason = printable(describe_failure(tracking_uri(root), error)[:300])
        print(f"warning: {reason}; `anamnesis sync` logs the scores of {name} later", file=sys.stderr, flush=True)
