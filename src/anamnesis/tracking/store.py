"""The MLflow tracking store: which one it is, made ready once, reached without noise."""

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
# On the one run of an experiment that holds the result in the workspace.
CURRENT = "current"
DVC_EXPERIMENT = "dvc.exp.name"

# MLflow's pages make a section of charts of the word before a slash, in alphabetical order: the curves come first.
CURVES = "epoch/"

PARENT = "ANAMNESIS_PARENT_RUN_ID"
SQLITE = "sqlite:///"
# Tells MLflow's pages what an experiment is, which they guess otherwise.
KIND = {"mlflow.experimentKind": "custom_model_development"}
# More than this in one call is refused by MLflow servers.
BATCH_METRICS = 1000
BATCH_PARAMS = 100
# A server that never stops sending pages of a list is not MLflow.
PAGES = 1000
# So long no stage asks again a server that did not answer: a pipeline waits for it once, not once a stage.
OUTAGE_SECONDS = 600
# Artifact stores that clients reach by themselves; every other address must be the tracking server's own.
OBJECT_STORES = ("s3", "gs", "wasbs", "abfss", "hdfs", "viewfs", "dbfs")


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
        self._check_place(self.check_location(found.artifact_location))
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

    @property
    def is_remote(self) -> bool:
        """Whether a server keeps the store, whose answers are checked before they become paths."""
        return urlparse(self.uri).scheme in ("http", "https")

    def check_location(self, uri: str) -> str:
        """The address of artifacts, unchanged, if it may be read and written.

        A server could name a folder of this machine, or another host, which would then get the server's password.

        Raises:
            TrackingError: it is neither the tracking server's own nor in an object store.
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
            f"MLflow at {_public(self.uri)} keeps artifacts in {uri[:200]!r}; allowed: the server's own store "
            f"(`mlflow server --artifacts-destination`), or an address of {', '.join(OBJECT_STORES)}"
        )

    def repository(self, uri: str) -> Any:
        """MLflow's artifact repository of an address. Raises as `check_location`."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(self.check_location(uri), tracking_uri=self.uri)

    def log_artifacts(self, run: "Run", folder: str, path: str | None = None) -> None:
        """Copy the files of a folder to the artifacts of a run, or to the folder `path` there."""
        self.repository(run.info.artifact_uri).log_artifacts(folder, path)

    def runs(self, experiment_id: str) -> "list[Run]":
        """Every run of an MLflow experiment that is not in the trash, latest first."""
        return self.pages(lambda token: self.client.search_runs([experiment_id], max_results=1000, page_token=token))

    def pages(self, search: Callable[[str | None], Any]) -> list[Any]:
        """All results of a search of MLflow's, which returns them by pages.

        Raises:
            TrackingError: the pages do not end.
        """
        found: list[Any] = []
        token: str | None = None
        for _ in range(PAGES):
            page = search(token)
            found.extend(page)
            token = page.token
            if not token:
                return found
        raise TrackingError(f"MLflow at {_public(self.uri)} cannot be used: a list has more than {PAGES} pages")

    def mark_current(self, run_id: str, name: str, runs: "list[Run]") -> None:
        """Tag the run that holds the result of experiment `name` in the workspace; older runs of it lose the tag.

        Args:
            runs: those of the MLflow experiment; the runs of other working copies keep their tags.
        """
        mine = owner(self.root)
        for run in runs:
            is_other = run.info.run_id != run_id and run.data.tags.get(EXPERIMENT) == name
            if is_other and CURRENT in run.data.tags and run.data.tags.get(OWNER) == mine:
                self.client.delete_tag(run.info.run_id, CURRENT)
        if not any(run.info.run_id == run_id and CURRENT in run.data.tags for run in runs):
            self.client.set_tag(run_id, CURRENT, "true")


def owner(root: Path) -> str:
    """Names this working copy, or a profile's folder in it.

    By it nobody ends or relabels a run of another working copy with the same tracking store.
    """
    path = root / ".anamnesis" / "copy"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                files.write_text(path, uuid.uuid4().hex)
    return files.digest(path.read_text(encoding="utf-8"), str(root.resolve()))[:16]


def tracking_uri(root: Path) -> str:
    """MLFLOW_TRACKING_URI, or else the SQLite database `mlflow.db` in the project's own folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{home(root)}/mlflow.db"


def shared_state(root: Path) -> Path:
    """The folder of what all that write to one store have in common: locks, and the journal of champions."""
    return home(root) / ".anamnesis"


def synced_file(root: Path) -> Path:
    """The note of what the last synchronisation of this profile saw; it goes when a database is made anew."""
    return shared_state(root) / "synced" / f"{profile_of(root)}.json"


def experiment_name(root: Path, task: str, corpus: str) -> str:
    """The MLflow experiment of a leaderboard and corpus: 'TASK/CORPUS', of a profile 'PROFILE/TASK/CORPUS'."""
    profile = profile_of(root)
    return "/".join([*([] if profile == STANDARD else [profile]), task, corpus])


def registered_name(root: Path, model: str) -> str:
    """The registered model of what reports/registry.json calls 'TASK-CORPUS', with a profile's name in front of it."""
    profile = profile_of(root)
    return model if profile == STANDARD else f"{profile}-{model}"


def connect(root: Path) -> Store:
    """Reach the tracking store of the project of `root`; a SQLite database that does not exist yet is made first.

    Any number of processes may call this at once: the first makes the database and the others wait for it. The
    database is made beside its final place and moved there when it is whole, so an interruption leaves none.

    A server that did not answer is not asked again for OUTAGE_SECONDS, unless `forget_outage` is called before.

    Raises:
        TrackingError: the store cannot be reached, or its schema is that of another version of MLflow.
    """
    uri, parent = tracking_uri(root), set_environment(root)
    for state in (root / ".anamnesis", shared_state(root)):
        state.mkdir(parents=True, exist_ok=True)
    _check_outage(root, uri)
    with _remembering_outages(root, uri), reaching(uri):
        import mlflow  # noqa: F401  configures the loggers that are silenced next

        _quiet_loggers()
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
        from google.protobuf.json_format import Error as AnswerError  # type: ignore[import-untyped]
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        known = MlflowException | RequestException | SQLAlchemyError | AnswerError | OSError | ImportError
        if not isinstance(error, known):
            raise
        text = describe_failure(uri, error)
        if "out-of-date database schema" in text or "Can't locate revision" in text:
            text = f"another version of MLflow made the database; `mlflow db upgrade {_public(uri)}` may mend it"
        elif os.environ.get("MLFLOW_TRACKING_URI"):
            text = f"check MLFLOW_TRACKING_URI: {text[:300]}"
        raise TrackingError(f"MLflow at {_public(uri)} cannot be used: {text[:400]}") from error


def describe_failure(uri: str, error: BaseException) -> str:
    """The text of an exception in one line, without a user's name and password.

    Call it before the text is cut: half a password is not recognised as one.
    """
    return hide_passwords(" ".join(str(error).replace(uri, _public(uri)).split()))


def remember_outage(root: Path, uri: str, error: BaseException | None) -> None:
    """Note that the server at `uri` did not answer, if that is what the exception or one of its causes says."""
    from requests.exceptions import ConnectionError as NoConnection
    from requests.exceptions import Timeout

    while error is not None:
        if isinstance(error, NoConnection | Timeout):
            # Where this note cannot be written, the server is only asked again.
            with suppress(OSError):
                files.write_json(_outage_file(root), {"server": files.digest(uri), "at": time.time()})
            return
        error = error.__cause__ or error.__context__


def forget_outage(root: Path) -> None:
    """Have the next `connect` ask the server again: a person who gives a command may have mended it."""
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
    known = files.read_state(_outage_file(root))
    try:
        seconds = time.time() - float(known["at"]) if known["server"] == files.digest(uri) else -1.0
    except (TypeError, KeyError, ValueError):
        return
    if 0 <= seconds < OUTAGE_SECONDS:
        raise TrackingError(
            f"MLflow at {_public(uri)} did not answer {seconds / 60:.0f} minutes ago and is asked again after "
            f"{OUTAGE_SECONDS // 60}, or by `anamnesis sync`"
        )


def _outage_file(root: Path) -> Path:
    return shared_state(root) / "tracking-outage.json"


class _HidePasswords(logging.Filter):
    """Takes passwords out of what MLflow logs."""

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
    """The fingerprint among the tags of a run or version, or None where there is none or it is not one."""
    found = tags.get(FINGERPRINT, "")
    return found if re.fullmatch("[0-9a-f]{64}", found) else None


def experiment_of(tags: Mapping[str, str]) -> str | None:
    """The experiment's name among the tags of a run or version, or None where there is none or it is not one."""
    from anamnesis.params import NAME

    found = tags.get(EXPERIMENT, "")
    # In Python `$` also matches before a last line end.
    return found if re.fullmatch(NAME, found) and "\n" not in found else None


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
    return tags | ({DVC_EXPERIMENT: name} if (name := os.environ.get("DVC_EXP_NAME")) else {})


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
        # Otherwise the server may send a download to any address, with a size of its own.
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
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
