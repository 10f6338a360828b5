"""An MLflow run that is logged during training. If MLflow fails, tracking stops and the training continues."""

import fcntl
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from anamnesis.console import printable
from anamnesis.errors import AnamnesisError
from anamnesis.tracking.names import run_name
from anamnesis.tracking.results import flatten, read_json
from anamnesis.tracking.store import (
    BATCH_METRICS,
    CURVES,
    EXPERIMENT,
    FINGERPRINT,
    INPUTS,
    OWNER,
    Store,
    connect,
    describe_failure,
    experiment_name,
    owner,
    remember_outage,
    source_tags,
    tracking_uri,
)

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

LIVE = "anamnesis.live"
CHECKPOINT = "anamnesis.checkpoint"
FLUSH_SECONDS = 2.0
# How long to wait for the lock of a training, which `is_training` holds for a moment.
LOCK_SECONDS = 2.0


class LiveRun:
    """Logs one training to MLflow, until MLflow fails; `start` creates it.

    The first call of `begin`, `log`, `sample` or `finish` creates or resumes the run.
    """

    def __init__(self, name: str, experiment: Any, inputs: str, root: Path) -> None:
        self.run_id: str | None = None
        self._name = name
        self._experiment = experiment
        self._inputs = inputs
        self._root = root
        self._store: Store | None = None
        self._artifacts = ""
        self._experiment_id = ""
        self._lock: FileLock | None = None
        self._is_pending = True
        self._checkpoint = ""
        self._buffer: list[Metric] = []
        self._logged: dict[tuple[str, int], float] = {}
        self._samples = ""
        self._has_new_sample = False
        self._flushed = time.monotonic()

    def begin(self, checkpoint: str, resumed: bool) -> None:
        """Create the run, or resume the unfinished run of the same training.

        Args:
            checkpoint: the key of the training's checkpoint, a digest of its inputs and code.
            resumed: whether the training resumes from a checkpoint; then an unfinished (killed or failed) run with the
                same key is resumed.
        """
        if self._is_pending:
            self._is_pending = False
            self._checkpoint = checkpoint
            self._try(lambda: self._open(resumed))

    def log(self, metrics: dict[str, float], step: int) -> None:
        """Log the metrics of one epoch, the columns of history.csv; they are sent to MLflow in batches.

        A resumed training repeats its last steps. A value that the run already has is skipped. If the value differs, a
        new run replaces this one, because MLflow cannot change a logged value.
        """
        self.begin("", resumed=False)
        if self._store is None:
            return
        values = {f"{CURVES}{column}": float(value) for column, value in metrics.items() if math.isfinite(value)}
        if any(not equal_in_csv(value, self._logged.get((key, step), value)) for key, value in values.items()):
            self._call(lambda store: self._replace_run(store, step))
        self._buffer_metrics({(key, step): value for key, value in values.items()})
        self._flush_if_due()

    def sample(self, text: str, step: int) -> None:
        """Append a text generated after epoch `step` to the artifact samples.txt; it is sent with the metrics."""
        self.begin("", resumed=False)
        self._samples += f"== after epoch {step} ==\n{text}\n\n"
        self._has_new_sample = True
        self._flush_if_due()

    def finish(self, fingerprint: str) -> None:
        """Set the run's status to FINISHED, and tag it with the fingerprint of the finished model."""
        self.begin("", resumed=False)
        self._call(self._flush)
        self._call(lambda store: _finish(store, self._run(), self._name, fingerprint))
        self._release()

    def fail(self) -> None:
        """Set the run's status to FAILED. A training that resumes from the checkpoint resumes the run."""
        self._call(self._flush)
        self._call(lambda store: store.client.set_terminated(self._run(), "FAILED"))
        self._release()

    def _run(self) -> str:
        assert self.run_id is not None
        return self.run_id

    def _open(self, resumed: bool) -> None:
        store = connect(self._root)
        corpus = _corpus(self._experiment, self._root)
        self._experiment_id = store.experiment_id(experiment_name(self._root, self._experiment.task, corpus))
        previous = None
        if self._lock is not None:
            key = self._checkpoint

            def is_resumed(run: "Run") -> bool:
                return resumed and bool(key) and run.data.tags.get(CHECKPOINT) == key

            previous = take_unfinished_run(store, store.runs(self._experiment_id), self._name, is_resumed)
        if previous is not None:
            self.run_id, self._artifacts = previous.info.run_id, store.check_location(previous.info.artifact_uri)
            store.client.update_run(self.run_id, status="RUNNING")
            for key in previous.data.metrics:
                history = store.client.get_metric_history(self.run_id, key)
                self._logged |= {(key, metric.step): metric.value for metric in history}
        else:
            self._create(store)
        self._store = store

    def _create(self, store: Store) -> None:
        from mlflow.entities import Param

        settings = self._experiment.model_dump(mode="json")
        tags = {
            EXPERIMENT: self._name,
            INPUTS: self._inputs,
            CHECKPOINT: self._checkpoint,
            LIVE: "true",
            OWNER: owner(self._root),
            **source_tags(store),
        }
        name = run_name(self._name, settings, self._root)
        info = store.client.create_run(self._experiment_id, tags=tags, run_name=name).info
        self.run_id, self._artifacts = info.run_id, store.check_location(info.artifact_uri)
        params = flatten({**settings, "corpus": _corpus(self._experiment, self._root)})
        store.client.log_batch(self._run(), params=[Param(key, value) for key, value in params.items()][:100])

    def _replace_run(self, store: Store, step: int) -> None:
        """Continue in a new run with the values of the epochs before `step`."""
        store.client.set_terminated(self._run(), "KILLED")
        store.client.delete_tag(self._run(), LIVE)
        logged, self._logged, self._buffer = self._logged, {}, []
        self._create(store)
        self._buffer_metrics({(key, epoch): value for (key, epoch), value in logged.items() if epoch < step})

    def _buffer_metrics(self, values: dict[tuple[str, int], float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for (key, step), value in values.items():
            if (key, step) not in self._logged:
                self._logged[key, step] = value
                self._buffer.append(Metric(key, value, now, step))

    def _flush_if_due(self) -> None:
        if len(self._buffer) >= BATCH_METRICS or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._call(self._flush)

    def _flush(self, store: Store) -> None:
        while self._buffer:
            store.client.log_batch(self._run(), metrics=self._buffer[:BATCH_METRICS])
            del self._buffer[:BATCH_METRICS]
        if self._has_new_sample:
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "samples.txt").write_text(self._samples, encoding="utf-8")
                store.repository(self._artifacts).log_artifacts(folder)
            self._has_new_sample = False
        self._flushed = time.monotonic()

    def _call(self, action: Callable[[Store], object]) -> None:
        """Call `action` with the store, unless tracking has failed."""
        if (store := self._store) is not None:
            self._try(lambda: action(store))

    def _try(self, action: Callable[[], object]) -> None:
        """Call `action`; an exception stops tracking with a warning, and the training continues."""
        try:
            action()
        except Exception as error:
            uri = tracking_uri(self._root)
            if not isinstance(error, AnamnesisError):
                # `connect` remembers an outage itself.
                remember_outage(self._root, uri, error)
            kind = "" if isinstance(error, AnamnesisError) else f"{type(error).__name__}: "
            warning = (
                f"{self._name} continues to train without live tracking; `anamnesis sync` logs its results later: "
                f"{kind}{describe_failure(uri, error)[:300]}"
            )
            print(f"warning: {printable(warning)}", file=sys.stderr, flush=True)
            self._store = None

    def _acquire_lock(self) -> None:
        """Acquire the lock of the training, which the operating system releases even after kill -9."""
        path = lock_path(self._name, self._root)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            # Another process trains this experiment, so its run is not dead.
            return
        self._lock = lock

    def _release(self) -> None:
        self._store, self._is_pending = None, False
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def start(name: str, experiment: Any, inputs: str, root: Path) -> LiveRun:
    """A listener that logs a training to MLflow.

    Until it ends, `is_training` is true. With ANAMNESIS_TRACKING=off, it logs nothing.

    Args:
        name: the experiment's name in params.yaml; the run's name starts with it.
        experiment: its settings (a pydantic model with `task` and `tokens`).
        inputs: digest of everything that decides the training's result, except code.
        root: the project's folder.
    """
    run = LiveRun(name, experiment, inputs, root)
    if is_disabled():
        run._is_pending = False
    else:
        run._try(run._acquire_lock)
    return run


def is_disabled() -> bool:
    """Whether the environment variable ANAMNESIS_TRACKING is `off`, which disables tracking in stages."""
    return os.environ.get("ANAMNESIS_TRACKING", "").lower() == "off"


def equal_in_csv(one: float, other: float) -> bool:
    """Whether two values of a metric are equal in the six digits of history.csv."""
    return f"{one:.6g}" == f"{other:.6g}"


def take_unfinished_run(store: Store, runs: "list[Run]", name: str, is_wanted: "Callable[[Run], bool]") -> "Run | None":
    """The first unfinished live run for which `is_wanted` is true, or None; the others get the status KILLED.

    Only runs of this working copy count. Call this only while `is_training` is false for the experiment.

    Args:
        runs: the runs of the MLflow experiment, latest first.
        name: the experiment's name in params.yaml.
        is_wanted: whether to resume or complete a run.
    """
    mine = owner(store.root)
    unfinished = [
        run
        for run in runs
        if run.data.tags.get(EXPERIMENT) == name
        and run.data.tags.get(OWNER) == mine
        and LIVE in run.data.tags
        and FINGERPRINT not in run.data.tags
    ]
    wanted = next((run for run in unfinished if is_wanted(run)), None)
    for run in unfinished:
        if run is not wanted and run.info.status == "RUNNING":
            store.client.set_terminated(run.info.run_id, "KILLED")
    return wanted


def lock_path(name: str, root: Path) -> Path:
    """The lock file of the training of experiment `name`."""
    return root / ".anamnesis" / "live" / f"{name}.lock"


def is_training(name: str, root: Path) -> bool:
    """Whether a process of this working copy trains the experiment now.

    This takes a shared lock: many processes can ask at the same time, and a training that starts meanwhile waits.
    """
    try:
        with open(lock_path(name, root), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _finish(store: Store, run_id: str, name: str, fingerprint: str) -> None:
    from mlflow.entities import RunTag

    runs = store.runs(store.client.get_run(run_id).info.experiment_id)
    twins = [run for run in runs if run.data.tags.get(FINGERPRINT) == fingerprint and run.info.run_id != run_id]
    if twins:
        # The same model was trained before and has a run.
        store.client.set_terminated(run_id, "FINISHED")
        store.client.delete_run(run_id)
        run_id = twins[0].info.run_id
    else:
        store.client.log_batch(run_id, tags=[RunTag(FINGERPRINT, fingerprint)])
        store.client.set_terminated(run_id, "FINISHED")
    store.mark_current(run_id, name, runs)


def _corpus(experiment: Any, root: Path) -> str:
    stats = root / "data" / "tokens" / str(getattr(experiment, "tokens", None)) / "stats.json"
    if stats.is_file():
        return str(read_json(stats)["corpus"])
    from anamnesis import params

    return params.load(root / "params.yaml").tokens[experiment.tokens].corpus
