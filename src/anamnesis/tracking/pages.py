"""The MLflow UI of the project, with settings for one person on one machine."""

import os
import socket
import sys
from pathlib import Path

from anamnesis.console import printable
from anamnesis.errors import AnamnesisError
from anamnesis.tracking.store import SQLITE, connect, forget_outage

# Without this parameter, the UI opens in its GenAI mode.
TRAINING = "workflowType=machine_learning"


def serve(root: Path, host: str, port: int) -> None:
    """Print the addresses of the pages, and replace this process by `mlflow ui`.

    Raises:
        AnamnesisError: the port is in use, or MLFLOW_TRACKING_URI names a server, which has its own UI.
        TrackingError: the store cannot be reached.
    """
    forget_outage(root)
    store = connect(root)
    if not store.uri.startswith(SQLITE):
        raise AnamnesisError(f"the runs are on a tracking server: open {store.uri}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise AnamnesisError(f"cannot listen on {host} port {port}: {error.strerror}; try --port") from None
    address = f"http://{host}:{port}/#"
    for experiment in sorted(store.client.search_experiments(), key=lambda each: each.name):
        if experiment.name != "Default":
            runs = f"{address}/experiments/{experiment.experiment_id}/runs"
            print(f"{printable(experiment.name):30} {runs}?{TRAINING}&compareRunsMode=CHART")
    print(f"{'registered models':30} {address}/models?{TRAINING}\n(Ctrl-C stops it)", flush=True)
    # By default it starts more than ten processes, which need gigabytes of memory.
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    command = ["-m", "mlflow", "ui", "--backend-store-uri", store.uri, "--host", host, "--port", str(port)]
    artifacts = ["--default-artifact-root", str(store.artifacts)]
    os.execv(sys.executable, [sys.executable, *command, *artifacts, "--workers", "1"])
