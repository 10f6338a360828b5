"""The MLflow tracking store: which one it is, made ready once, reached without noise."""

import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from filelock import FileLock

from anamnesis.errors import AnamnesisError
from anamnesis.project import STANDARD, home, profile_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

FINGERPRINT = "anamnesis.fingerprint"
EXPERIMENT = "anamnesis.experiment"
INPUTS = "anamnesis.inputs"

# MLflow's pages make a section of charts of the word before a slash, in alphabetical order: the curves come first.
CURVES = "epoch/"

PARENT = "ANAMNESIS_PARENT_RUN_ID"
SQLITE = "sqlite:///"
# Tells MLflow's pages what an experiment is, which they guess otherwise.
KIND = {"mlflow.experimentKind": "custom_model_development"}
# More than this in one call is refused by MLflow servers.
BATCH_METRICS = 1000
BATCH_PARAMS = 100


class TrackingError(AnamnesisError):
    """The tracking store cannot be reached or used."""


@dataclass(frozen=True)
class Store:
    """A reachable tracking store.

    `artifacts` is where a new MLflow experiment keeps its files, or None where a server decides. `parent` is the run
    that `mlflow run` opened for this process, if it did. `root` is the folder of the project or of a profile of it: all
    of them share one store, in which those of a profile have names of their own.
    """

    client: "MlflowClient"
    uri: str
    artifacts: str | None
    parent: str | None
    root: Path

    def experiment_id(self, name: str) -> str:
        """The id of the MLflow experiment of that name, made or taken out of the trash when needed."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                # An explicit folder: MLflow's own default is ./mlruns of whatever folder the process is in.
                location = f"{self.artifacts}/{name}" if self.artifacts else None
                return str(self.client.create_experiment(name, artifact_location=location, tags=KIND))
            except MlflowException:
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        self._check_place(found.artifact_location)
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _check_place(self, location: str) -> None:
        """The database keeps absolute paths: one that moved with its project would go on writing to the old place."""
        folder, top = local_path(location), home(self.root)
        if self.uri == f"{SQLITE}{top}/mlflow.db" and folder and not folder.resolve().is_relative_to(top):
            raise TrackingError(
                f"mlflow.db keeps its files in {folder}, outside of this project, which was moved or copied: "
                "delete mlflow.db and mlartifacts here, and run `anamnesis sync`"
            )

    def runs(self, experiment_id: str) -> "list[Run]":
        """Every run of an MLflow experiment that is not in the trash, latest first."""
        found: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs([experiment_id], max_results=1000, page_token=token)
            found.extend(page)
            token = page.token
            if not token:
                return found


def tracking_uri(root: Path) -> str:
    """MLFLOW_TRACKING_URI, or else the SQLite database `mlflow.db` in the project's own folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{home(root)}/mlflow.db"


def shared_state(root: Path) -> Path:
    """The folder of what all that write to one store have in common: locks, and the journal of champions."""
    return home(root) / ".anamnesis"


def synced_file(root: Path) -> Path:
    """The note of what the last synchronisation of this profile saw; it goes when a database is made anew."""
    return shared_state(root) / "synced" / f"{profile_of(root)}.json"


def experiment_name(root: Path, board: str, corpus: str) -> str:
    """The MLflow experiment of a leaderboard and corpus: 'BOARD/CORPUS', of a profile 'PROFILE/BOARD/CORPUS'."""
    profile = profile_of(root)
    return "/".join([*([] if profile == STANDARD else [profile]), board, corpus])


def registered_name(root: Path, model: str) -> str:
    """The registered model of what reports/registry.json calls 'BOARD-CORPUS', with a profile's name in front of it."""
    profile = profile_of(root)
    return model if profile == STANDARD else f"{profile}-{model}"


def connect(root: Path) -> Store:
    """Reach the tracking store of the project of `root`; a SQLite database that does not exist yet is made first.

    Any number of processes may call this at once: the first makes the database and the others wait for it. The
    database is made beside its final place and moved there when it is whole, so an interruption leaves none.

    Raises:
        TrackingError: the store cannot be reached, or its schema is that of another version of MLflow.
    """
    uri, parent = tracking_uri(root), set_environment(root)
    for state in (root / ".anamnesis", shared_state(root)):
        state.mkdir(parents=True, exist_ok=True)
    with reaching(uri):
        import mlflow  # noqa: F401  configures the loggers that are silenced next

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        from mlflow import MlflowClient

        artifacts = None if urlparse(uri).scheme in ("http", "https") else f"{home(root)}/mlartifacts"
        if uri.startswith(SQLITE):
            _initialise(Path(uri.removeprefix(SQLITE)), artifacts or "", root)
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
        return Store(client, uri, artifacts, parent, root)


@contextmanager
def reaching(uri: str) -> Iterator[None]:
    """Turn what MLflow and its transport raise into one line.

    Raises:
        TrackingError: anything of MLflow's went wrong inside the block.
    """
    try:
        yield
    except (AnamnesisError, KeyboardInterrupt):
        raise
    except Exception as error:
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        if not isinstance(error, MlflowException | RequestException | SQLAlchemyError | OSError | ImportError):
            raise
        text = " ".join(str(error).split())
        if "out-of-date database schema" in text or "Can't locate revision" in text:
            text = f"another version of MLflow made the database; `mlflow db upgrade {_public(uri)}` may mend it"
        elif "MLFLOW_TRACKING_URI" in os.environ:
            text = f"check MLFLOW_TRACKING_URI: {text[:300]}"
        raise TrackingError(f"MLflow at {_public(uri)} cannot be used: {text[:400]}") from error


def local_path(uri: str) -> Path | None:
    """The folder an artifact address names, when it is on this machine; else None."""
    parsed = urlparse(uri)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return Path(uri) if not parsed.scheme else None


@cache
def git_commit(root: Path) -> str | None:
    """The commit that is checked out in `root`, or None outside of git."""
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None


def source_tags(store: Store) -> dict[str, str]:
    """The tags that MLflow's own pages read: source, commit, and the run that `mlflow run` opened around this one."""
    tags = {"mlflow.source.name": "anamnesis", "mlflow.source.type": "LOCAL"}
    commit = git_commit(store.root)
    if commit:
        tags["mlflow.source.git.commit"] = commit
    if store.parent:
        tags["mlflow.parentRunId"] = store.parent
    return tags


def set_environment(root: Path) -> str | None:
    """Set what MLflow reads when it is imported, and return the run that `mlflow run` opened for this process, if any.

    That run is hidden from MLflow, which would reopen it instead of making new ones.
    """
    _quiet(tracking_uri(root))
    parent = os.environ.pop("MLFLOW_RUN_ID", None)
    if parent:
        os.environ[PARENT] = parent
    return os.environ.get(PARENT)


def _quiet(uri: str) -> None:
    """Settings of MLflow's that are read when it is imported or first used; a user's own values stay."""
    quiet = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_UV_AUTO_DETECT": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        # The default of 7 retries with back-off holds a training up for minutes when a server is down.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    }
    if uri.startswith(SQLITE):
        # A pooled connection would go on writing to a database that was deleted and made anew.
        quiet["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"
    for name, value in quiet.items():
        os.environ.setdefault(name, value)


def _initialise(database: Path, artifacts: str, root: Path) -> None:
    with FileLock(shared_state(root) / "mlflow.lock"):
        if database.exists():
            return
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        database.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=database.parent, prefix=f".{database.name}.")
        os.close(handle)
        try:
            SqlAlchemyStore(f"{SQLITE}{Path(temporary).resolve()}", artifacts)
            os.chmod(temporary, 0o644)
            shutil.rmtree(synced_file(root).parent, ignore_errors=True)
            os.replace(temporary, database)
        finally:
            Path(temporary).unlink(missing_ok=True)


def _public(uri: str) -> str:
    """The address without a user's name and password."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else uri
