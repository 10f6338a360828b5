"""The run that `mlflow run` opens around a command of this project."""

import shlex
from pathlib import Path

from anamnesis.errors import hide_passwords
from anamnesis.tracking.store import connect, reaching


def close(run_id: str, command: list[str], root: Path) -> None:
    """Name the run by its command if other runs are below it; move it to the trash if it is empty.

    MLflow leaves the status of a run alone that has ended already, also that of a run in the trash.

    Raises:
        TrackingError: MLflow cannot be reached.
    """
    store = connect(root)
    with reaching(store.uri):
        experiments = store.pages(lambda token: store.client.search_experiments(page_token=token))
        ids = [experiment.experiment_id for experiment in experiments]
        if store.client.search_runs(ids, f"tags.mlflow.parentRunId = '{run_id}'", max_results=1):
            store.client.update_run(run_id, name=hide_passwords(shlex.join(command)))
        else:
            store.client.set_terminated(run_id, "FINISHED")
            store.client.delete_run(run_id)
