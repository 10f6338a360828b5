"""The runs that `mlflow run` creates for commands of this project."""

import shlex
from pathlib import Path

from anamnesis.errors import hide_passwords
from anamnesis.tracking.store import Store, connect, convert_errors

EMPTY = "anamnesis.empty"


def close(run_id: str, command: list[str], root: Path) -> None:
    """Name the run after its command, and mark it for deletion if it has no child runs.

    The command cannot delete it: `mlflow run` sets its status after the command, which fails for a deleted run.

    Raises:
        TrackingError: MLflow cannot be reached.
    """
    store = connect(root)
    with convert_errors(store.uri):
        remove_empty(store)
        store.client.update_run(run_id, name=hide_passwords(shlex.join(command)))
        if not store.client.search_runs(_experiments(store), f"tags.mlflow.parentRunId = '{run_id}'", max_results=1):
            store.client.set_tag(run_id, EMPTY, "true")


def remove_empty(store: Store) -> None:
    """Delete the runs that `close` has marked and that have ended since."""
    ended = f"tags.{EMPTY} = 'true' and attributes.status != 'RUNNING'"
    ids = _experiments(store)
    for run in store.pages(lambda token: store.client.search_runs(ids, ended, page_token=token)):
        store.client.delete_run(run.info.run_id)


def _experiments(store: Store) -> list[str]:
    experiments = store.pages(lambda token: store.client.search_experiments(page_token=token))
    return [experiment.experiment_id for experiment in experiments]
