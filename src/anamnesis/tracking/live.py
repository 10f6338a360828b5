"""A run that is logged while its model trains. Tracking that fails is given up: it may never stop a training."""

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
# Another process holds the lock of a training for a moment when it asks whether somebody trains.
LOCK_SECONDS = 2.0


class LiveRun:
    """Logs to MLflow, or to nowhere once MLflow failed; see `start`.

    The run is opened by `begin`, or by the first thing that is logged.
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
        """Open the run of a training that begins or resumes now.

        Args:
            checkpoint: the key of the training's checkpoint, which stands for its inputs and its code.
            resumed: whether the training goes on from a checkpoint. Then a run with the same key that was left
                unfinished (killed, failed) is gone on with.
        """
        if self._is_pending:
            self._is_pending = False
            self._checkpoint = checkpoint
            self._try(lambda: self._open(resumed))

    def log(self, metrics: dict[str, float], step: int) -> None:
        """Note the metrics of one epoch, the columns of history.csv; sent to MLflow in batches.

        A resumed training repeats its last steps. A (metric, step) that is there with the same value is passed over;
        where the value differs, a new run takes over, because MLflow takes no logged value back.
        """
        self.begin("", resumed=False)
        if self._store is None:
            return
        values = {f"{CURVES}{column}": float(value) for column, value in metrics.items() if math.isfinite(value)}
        if any(not is_same(value, self._logged.get((key, step), value)) for key, value in values.items()):
            self._guard(lambda store: self._replace_run(store, step))
        self._note({(key, step): value for key, value in values.items()})
        self._flush_in_time()

    def sample(self, text: str, step: int) -> None:
        """Add a text that was generated after epoch `step` to the run's samples.txt; sent with the metrics."""
        self.begin("", resumed=False)
        self._samples += f"== after epoch {step} ==\n{text}\n\n"
        self._has_new_sample = True
        self._flush_in_time()

    def finish(self, fingerprint: str) -> None:
        """End the run well; the fingerprint of the finished model is what it is found by from now on."""
        self.begin("", resumed=False)
        self._guard(self._flush)
        self._guard(lambda store: _finish(store, self._run(), self._name, fingerprint))
        self._release()

    def fail(self) -> None:
        """End the run as failed. The same experiment, resumed from its checkpoint, goes on in it."""
        self._guard(self._flush)
        self._guard(lambda store: store.client.set_terminated(self._run(), "FAILED"))
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

            previous = reap(store, store.runs(self._experiment_id), self._name, is_resumed)
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
        """Go on in a new run, which begins with the values of the epochs before `step`."""
        store.client.set_terminated(self._run(), "KILLED")
        store.client.delete_tag(self._run(), LIVE)
        known, self._logged, self._buffer = self._logged, {}, []
        self._create(store)
        self._note({place: value for place, value in known.items() if place[1] < step})

    def _note(self, values: dict[tuple[str, int], float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for (key, step), value in values.items():
            if (key, step) not in self._logged:
                self._logged[key, step] = value
                self._buffer.append(Metric(key, value, now, step))

    def _flush_in_time(self) -> None:
        if len(self._buffer) >= BATCH_METRICS or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._guard(self._flush)

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

    def _guard(self, action: Callable[[Store], object]) -> None:
        """Do something that may fail for any reason of the tracking store's; then tracking ends, not the training."""
        if (store := self._store) is not None:
            self._try(lambda: action(store))

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:
            uri = tracking_uri(self._root)
            if not isinstance(error, AnamnesisError):
                # `connect` notes an outage by itself.
                remember_outage(self._root, uri, error)
            kind = "" if isinstance(error, AnamnesisError) else f"{type(error).__name__}: "
            warning = (
                f"{self._name} trains on without live tracking, `anamnesis sync` adds it later: "
                f"{kind}{describe_failure(uri, error)[:300]}"
            )
            print(f"warning: {printable(warning)}", file=sys.stderr, flush=True)
            self._store = None

    def _hold(self) -> None:
        """Take the lock that a training holds while it lives; the system lets go of it even after kill -9."""
        path = lock_path(self._name, self._root)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            # Another process trains the experiment; its run is left alone.
            return
        self._lock = lock

    def _release(self) -> None:
        self._store, self._is_pending = None, False
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def start(name: str, experiment: Any, inputs: str, root: Path) -> LiveRun:
    """The run of a training, in the MLflow experiment that `experiment_name` says.

    While it is open, `is_training` is true. ANAMNESIS_TRACKING=off tracks nothing.

    Args:
        name: the experiment's name in params.yaml, with which the run's name begins.
        experiment: its settings (a pydantic model with `task` and `tokens`).
        inputs: digest of everything but code that decides the training's result.
        root: the project's folder.
    """
    run = LiveRun(name, experiment, inputs, root)
    if is_off():
        run._is_pending = False
    else:
        run._try(run._hold)
    return run


def is_off() -> bool:
    """Whether ANAMNESIS_TRACKING=off asks for no tracking by stages."""
    return os.environ.get("ANAMNESIS_TRACKING", "").lower() == "off"


def is_same(one: float, other: float) -> bool:
    """Whether two values of a metric are equal in the six digits that history.csv holds."""
    return f"{one:.6g}" == f"{other:.6g}"


def reap(store: Store, runs: "list[Run]", name: str, is_wanted: "Callable[[Run], bool]") -> "Run | None":
    """The first unfinished live run of this working copy that is wanted; the other dead ones are marked as killed.

    Call it only while nobody trains the experiment here (see `is_training`).

    Args:
        runs: those of the MLflow experiment, latest first.
        name: of the experiment.
        is_wanted: whether what is to come belongs to a run.
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
    found = next((run for run in unfinished if is_wanted(run)), None)
    for run in unfinished:
        if run is not found and run.info.status == "RUNNING":
            store.client.set_terminated(run.info.run_id, "KILLED")
    return found


def lock_path(name: str, root: Path) -> Path:
    """The file that a process has locked while it trains experiment `name`."""
    return root / ".anamnesis" / "live" / f"{name}.lock"


def is_training(name: str, root: Path) -> bool:
    """Whether a living process of this working copy trains the experiment right now.

    It asks with a shared lock: any number of processes may ask at once, and a training that starts in that moment waits
    for it.
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
        # The same bits were trained before: the run that is there already stands for them.
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
