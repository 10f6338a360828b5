"""The MLflow tracking store: its address, its database, its errors."""

import logging
import os
import re
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from filelock import FileLock

from anamnesis import files
from anamnesis.errors import AnamnesisError, hide_passwords
from anamnesis.project import STANDARD, home, profile_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

FINGERPRINT = "anamnesis.fingerprint"
EXPERIMENT = "anamnesis.experiment"
INPUTS = "anamnesis.inputs"
OWNER = "anamnesis.owner"
# The tag of the run whose result is in the workspace, one for each experiment.
CURRENT = "current"
DVC_EXPERIMENT = "dvc.exp.name"

# The prefix of metrics of epochs. MLflow's pages group charts by prefix in alphabetical order, so these come first.
CURVES = "epoch/"

PARENT = "ANAMNESIS_PARENT_RUN_ID"
SQLITE = "sqlite:///"
# The kind of MLflow experiment, which MLflow's pages would otherwise guess.
KIND = {"mlflow.experimentKind": "custom_model_development"}
# MLflow servers accept at most this many in one call.
BATCH_METRICS = 1000
BATCH_PARAMS = 100
# The most pages of one search, in case a server never stops.
PAGES = 1000
# After a server did not respond, stages do not call it for this time, so that a pipeline waits only once.
OUTAGE_SECONDS = 600
# Schemes of artifact stores that clients access directly; all other addresses must be the tracking server's.
OBJECT_STORES = ("s3", "gs", "wasbs", "abfss", "hdfs", "viewfs", "dbfs")


class TrackingError(AnamnesisError):
    """The tracking store cannot be reached or used."""


@dataclass(frozen=True)
class Store:
    """A connection to the tracking store.

    Attributes:
        client: the client of the store.
        uri: the tracking URI.
        artifacts: the folder for artifacts of new MLflow experiments; None: the server decides.
        parent: id of the run that `mlflow run` created for this process, or None.
        root: the folder of the project or of a profile. They share the store, with different names of experiments.
    """

    client: "MlflowClient"
    uri: str
    artifacts: str | None
    parent: str | None
    root: Path

    def experiment_id(self, name: str) -> str:
        """The id of the MLflow experiment with this name, which is created or restored if necessary."""
        from mlflow.exceptions import MlflowException

        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            try:
                # MLflow's default is ./mlruns in the working directory.
                location = f"{self.artifacts}/{name}" if self.artifacts else None
                return str(self.client.create_experiment(name, artifact_location=location, tags=KIND))
            except MlflowException:
                experiment = self.client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        self._check_moved(self.check_location(experiment.artifact_location))
        if experiment.lifecycle_stage == "deleted":
            self.client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)

    def _check_moved(self, location: str) -> None:
        """Raise an error if the project was moved: the database has absolute paths to the old folder."""
        folder, top = local_path(location), home(self.root)
        if self.uri == f"{SQLITE}{top}/mlflow.db" and folder and not folder.resolve().is_relative_to(top):
            raise TrackingError(
                f"mlflow.db has its artifacts in {folder}, outside of this project, which was moved or copied: "
                "delete mlflow.db and mlartifacts here, and run `anamnesis sync`"
            )

    @property
    def is_remote(self) -> bool:
        """Whether the store is on a server, whose responses are checked before they are used as paths."""
        return urlparse(self.uri).scheme in ("http", "https")

    def check_location(self, uri: str) -> str:
        """The address of artifacts, unchanged, if access is allowed.

        Otherwise a server could name a folder of this machine, or another host, which would get the server's password.

        Raises:
            TrackingError: the address is neither on the tracking server nor in an object store.
        """
        if not self.is_remote:
            return uri
        try:
            place, server = urlparse(uri), urlparse(self.uri)
            own = not place.netloc or (place.hostname, place.port) == (server.hostname, server.port)
        except ValueError:
            own, place = False, urlparse("")
        if (place.scheme in ("http", "https", "mlflow-artifacts") and own) or place.scheme in OBJECT_STORES:
            return uri
        raise TrackingError(
            f"MLflow at {_without_password(self.uri)} has artifacts in {uri[:200]!r}; allowed: the server's own store "
            f"(`mlflow server --artifacts-destination`), or an address of {', '.join(OBJECT_STORES)}"
        )

    def repository(self, uri: str) -> Any:
        """MLflow's artifact repository of an address.

        Raises:
            TrackingError: as in `check_location`.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(self.check_location(uri), tracking_uri=self.uri)

    def log_artifacts(self, run: "Run", folder: str, path: str | None = None) -> None:
        """Copy the files of a folder to the artifacts of a run, or to the folder `path` in them."""
        self.repository(run.info.artifact_uri).log_artifacts(folder, path)

    def runs(self, experiment_id: str) -> "list[Run]":
        """All active runs of an MLflow experiment, latest first."""
        return self.pages(lambda token: self.client.search_runs([experiment_id], max_results=1000, page_token=token))

    def pages(self, search: Callable[[str | None], Any]) -> list[Any]:
        """All results of a search, which MLflow returns in pages.

        Args:
            search: returns a page, given the token of the page before it.

        Raises:
            TrackingError: there are too many pages.
        """
        results: list[Any] = []
        token: str | None = None
        for _ in range(PAGES):
            page = search(token)
            results.extend(page)
            token = page.token
            if not token:
                return results
        raise TrackingError(
            f"MLflow at {_without_password(self.uri)} cannot be used: a list has more than {PAGES} pages"
        )

    def mark_current(self, run_id: str, name: str, runs: "list[Run]") -> None:
        """Tag the run of the result in the workspace as current, and delete the tag of older runs of the experiment.

        Args:
            run_id: the run.
            name: the experiment in params.yaml.
            runs: all runs of the MLflow experiment; those of other working copies are not changed.
        """
        mine = owner(self.root)
        for run in runs:
            is_other = run.info.run_id != run_id and run.data.tags.get(EXPERIMENT) == name
            if is_other and CURRENT in run.data.tags and run.data.tags.get(OWNER) == mine:
                self.client.delete_tag(run.info.run_id, CURRENT)
        if not any(run.info.run_id == run_id and CURRENT in run.data.tags for run in runs):
            self.client.set_tag(run_id, CURRENT, "true")


def owner(root: Path) -> str:
    """The id of this working copy, or of a profile in it.

    Working copies that share a tracking store do not change each other's runs.
    """
    path = root / ".anamnesis" / "copy"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                files.write_text(path, uuid.uuid4().hex)
    return files.digest(path.read_text(encoding="utf-8"), str(root.resolve()))[:16]


def tracking_uri(root: Path) -> str:
    """The environment variable MLFLOW_TRACKING_URI, or else the database `mlflow.db` in the project's folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{home(root)}/mlflow.db"


def shared_state(root: Path) -> Path:
    """The folder of locks and of the journal of champions, which all profiles share."""
    return home(root) / ".anamnesis"


def synced_file(root: Path) -> Path:
    """The file with digests of the last synchronisation of this profile; a new database deletes it."""
    return shared_state(root) / "synced" / f"{profile_of(root)}.json"


def experiment_name(root: Path, task: str, corpus: str) -> str:
    """The MLflow experiment of a task and corpus: 'TASK/CORPUS', or 'PROFILE/TASK/CORPUS' in another profile."""
    profile = profile_of(root)
    return "/".join([*([] if profile == STANDARD else [profile]), task, corpus])


def registered_name(root: Path, model: str) -> str:
    """The name of a registered model: 'TASK-CORPUS', or 'PROFILE-TASK-CORPUS' in another profile."""
    profile = profile_of(root)
    return model if profile == STANDARD else f"{profile}-{model}"


def connect(root: Path) -> Store:
    """Connect to the tracking store, and create its SQLite database if it does not exist.

    Many processes may call this at the same time: one creates the database, and the others wait. The database is
    created under another name and renamed when it is complete, so that an interruption leaves no database.

    After a server did not respond, this raises an error for OUTAGE_SECONDS without calling it; see `forget_outage`.

    Raises:
        TrackingError: the store cannot be reached, or another version of MLflow created its database.
    """
    uri, parent = tracking_uri(root), set_environment(root)
    for state in (root / ".anamnesis", shared_state(root)):
        state.mkdir(parents=True, exist_ok=True)
    _check_outage(root, uri)
    with _remembering_outages(root, uri), convert_errors(uri):
        import mlflow  # noqa: F401  sets up the loggers whose level changes next

        _quiet_loggers()
        from mlflow import MlflowClient

        artifacts = None if urlparse(uri).scheme in ("http", "https") else f"{home(root)}/mlartifacts"
        if uri.startswith(SQLITE):
            _create_database(Path(uri.removeprefix(SQLITE)), artifacts or "", root)
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
        return Store(client, uri, artifacts, parent, root)


@contextmanager
def convert_errors(uri: str) -> Iterator[None]:
    """Convert the exceptions of MLflow, its database and its connection to one line.

    Raises:
        TrackingError: the block raised such an exception.
    """
    try:
        yield
    except (AnamnesisError, KeyboardInterrupt):
        raise
    except Exception as error:
        from google.protobuf.json_format import Error as AnswerError  # type: ignore[import-untyped]
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        known = MlflowException | RequestException | SQLAlchemyError | AnswerError | OSError | ImportError
        if not isinstance(error, known):
            raise
        text = describe_failure(uri, error)
        if "out-of-date database schema" in text or "Can't locate revision" in text:
            text = f"another version of MLflow created the database; try `mlflow db upgrade {_without_password(uri)}`"
        elif os.environ.get("MLFLOW_TRACKING_URI"):
            text = f"check MLFLOW_TRACKING_URI: {text[:300]}"
        raise TrackingError(f"MLflow at {_without_password(uri)} cannot be used: {text[:400]}") from error


def describe_failure(uri: str, error: BaseException) -> str:
    """The message of an exception in one line, without user names and passwords.

    Call this before you shorten the message, because a shortened password is not recognised.
    """
    return hide_passwords(" ".join(str(error).replace(uri, _without_password(uri)).split()))


def remember_outage(root: Path, uri: str, error: BaseException | None) -> None:
    """Remember that the server at `uri` did not respond, if the exception or one of its causes says so."""
    from requests.exceptions import ConnectionError as NoConnection
    from requests.exceptions import Timeout

    while error is not None:
        if isinstance(error, NoConnection | Timeout):
            # If the file cannot be written, the next stage calls the server again.
            with suppress(OSError):
                files.write_json(_outage_file(root), {"server": files.digest(uri), "at": time.time()})
            return
        error = error.__cause__ or error.__context__


def forget_outage(root: Path) -> None:
    """Let the next `connect` call the server again; a command that a person runs does this first."""
    with suppress(OSError):
        _outage_file(root).unlink()


@contextmanager
def _remembering_outages(root: Path, uri: str) -> Iterator[None]:
    try:
        yield
    except TrackingError as error:
        remember_outage(root, uri, error)
        raise
    forget_outage(root)


def _check_outage(root: Path, uri: str) -> None:
    outage = files.read_state(_outage_file(root))
    try:
        seconds = time.time() - float(outage["at"]) if outage["server"] == files.digest(uri) else -1.0
    except (TypeError, KeyError, ValueError):
        return
    if 0 <= seconds < OUTAGE_SECONDS:
        raise TrackingError(
            f"MLflow at {_without_password(uri)} did not respond {seconds / 60:.0f} minutes ago; stages retry after "
            f"{OUTAGE_SECONDS // 60} minutes, `anamnesis sync` at once"
        )


def _outage_file(root: Path) -> Path:
    return shared_state(root) / "tracking-outage.json"


class _HidePasswords(logging.Filter):
    """Removes passwords from MLflow's log messages."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = hide_passwords(record.getMessage()), ()
        return True


def _quiet_loggers() -> None:
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for handler in logging.getLogger("mlflow").handlers:
        if not any(isinstance(known, _HidePasswords) for known in handler.filters):
            handler.addFilter(_HidePasswords())


def fingerprint_of(tags: Mapping[str, str]) -> str | None:
    """The fingerprint in the tags of a run or version, or None if it is missing or not valid."""
    fingerprint = tags.get(FINGERPRINT, "")
    return fingerprint if re.fullmatch("[0-9a-f]{64}", fingerprint) else None


def experiment_of(tags: Mapping[str, str]) -> str | None:
    """The experiment's name in the tags of a run or version, or None if it is missing or not valid."""
    from anamnesis.params import NAME

    name = tags.get(EXPERIMENT, "")
    # In Python, `$` also matches before a line end at the end of the text.
    return name if re.fullmatch(NAME, name) and "\n" not in name else None


def local_path(uri: str) -> Path | None:
    """The folder of an artifact address, or None if it is not on this machine."""
    parsed = urlparse(uri)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return Path(uri) if not parsed.scheme else None


@cache
def git_commit(root: Path) -> str | None:
    """The id of the current commit, or None outside of a Git repository."""
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def source_tags(store: Store) -> dict[str, str]:
    """The tags that MLflow's pages show: source, commit, parent run, and the name of the DVC experiment."""
    tags = {"mlflow.source.name": "anamnesis", "mlflow.source.type": "LOCAL"}
    commit = git_commit(store.root)
    if commit:
        tags["mlflow.source.git.commit"] = commit
    if store.parent:
        tags["mlflow.parentRunId"] = store.parent
    return tags | ({DVC_EXPERIMENT: name} if (name := os.environ.get("DVC_EXP_NAME")) else {})


def set_environment(root: Path) -> str | None:
    """Set MLflow's environment variables, and return the id of the run that `mlflow run` created for this process.

    MLFLOW_RUN_ID is removed, because MLflow would resume that run instead of creating new ones.
    """
    _set_defaults(tracking_uri(root))
    parent = os.environ.pop("MLFLOW_RUN_ID", None)
    if parent:
        os.environ[PARENT] = parent
    return os.environ.get(PARENT)


def _set_defaults(uri: str) -> None:
    """Set defaults for environment variables of MLflow, which reads them when it is imported or first used."""
    defaults = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_UV_AUTO_DETECT": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        # Otherwise the server may redirect a download to any address.
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
        # With the default of 7 retries, a training waits for minutes if a server is down.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    }
    if uri.startswith(SQLITE):
        # A pooled connection would still write to a database that was deleted.
        defaults["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def _create_database(database: Path, artifacts: str, root: Path) -> None:
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


def _without_password(uri: str) -> str:
    """The address without user name and password."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else uri
