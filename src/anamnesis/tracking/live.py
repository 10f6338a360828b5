"""A run that is logged while its model trains. Tracking that fails is given up: it may never stop a training."""

import os
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from anamnesis.errors import AnamnesisError
from anamnesis.files import digest, write_text
from anamnesis.tracking.results import flatten, read_json
from anamnesis.tracking.store import (
    BATCH_METRICS,
    CURVES,
    EXPERIMENT,
    FINGERPRINT,
    INPUTS,
    Store,
    connect,
    experiment_name,
    source_tags,
)

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

LIVE = "anamnesis.live"
OWNER = "anamnesis.owner"
FLUSH_SECONDS = 2.0


class LiveRun:
    """Logs to MLflow, or to nowhere once MLflow failed; see `start`."""

    def __init__(self, name: str, root: Path) -> None:
        self.run_id: str | None = None
        self._name = name
        self._root = root
        self._store: Store | None = None
        self._lock: FileLock | None = None
        self._buffer: list[Metric] = []
        self._logged: set[tuple[str, int]] = set()
        self._samples = ""
        self._told = True
        self._flushed = time.monotonic()

    def log(self, metrics: dict[str, float], step: int) -> None:
        """Note the metrics of one epoch, the columns of history.csv; sent to MLflow in batches.

        A (metric, step) that is there already is passed over: a resumed training repeats its last steps.
        """
        if self._store is None:
            return
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for column, value in metrics.items():
            key = f"{CURVES}{column}"
            if (key, step) not in self._logged:
                self._logged.add((key, step))
                self._buffer.append(Metric(key, float(value), now, step))
        self._flush_in_time()

    def sample(self, text: str, step: int) -> None:
        """Add a text that was generated after epoch `step` to the run's samples.txt; sent with the metrics."""
        self._samples += f"== after epoch {step} ==\n{text}\n\n"
        self._told = False
        self._flush_in_time()

    def finish(self, fingerprint: str) -> None:
        """End the run well; the fingerprint of the finished model is what it is found by from now on."""
        self._guard(self._flush)
        self._guard(lambda store: _finish(store, self._run(), fingerprint))
        self._release()

    def fail(self) -> None:
        """End the run as failed. The same experiment, started again, goes on in it."""
        self._guard(self._flush)
        self._guard(lambda store: store.client.set_terminated(self._run(), "FAILED"))
        self._release()

    def _run(self) -> str:
        assert self.run_id is not None
        return self.run_id

    def _open(self, experiment: Any, inputs: str) -> None:
        self._lock = _hold(self._name, self._root)
        store = connect(self._root)
        corpus = _corpus(experiment, self._root)
        experiment_id = store.experiment_id(experiment_name(self._root, experiment.board, corpus))
        tags = {
            EXPERIMENT: self._name,
            INPUTS: inputs,
            LIVE: "true",
            OWNER: owner(self._root),
            **source_tags(store),
        }
        previous = None
        if self._lock is not None:
            previous = reap(store, store.runs(experiment_id), self._name, inputs)
        if previous is not None:
            self.run_id = previous.info.run_id
            store.client.update_run(self.run_id, status="RUNNING")
            for key in previous.data.metrics:
                self._logged |= {(key, metric.step) for metric in store.client.get_metric_history(self.run_id, key)}
        else:
            self.run_id = store.client.create_run(experiment_id, tags=tags, run_name=self._name).info.run_id
            from mlflow.entities import Param

            settings = {**experiment.model_dump(mode="json"), "corpus": corpus}
            params = [Param(key, value) for key, value in flatten(settings).items()]
            store.client.log_batch(self._run(), params=params[:100])
        self._store = store

    def _flush_in_time(self) -> None:
        if len(self._buffer) >= BATCH_METRICS or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._guard(self._flush)

    def _flush(self, store: Store) -> None:
        while self._buffer:
            store.client.log_batch(self._run(), metrics=self._buffer[:BATCH_METRICS])
            del self._buffer[:BATCH_METRICS]
        if not self._told:
            store.client.log_text(self._run(), self._samples, "samples.txt")
            self._told = True
        self._flushed = time.monotonic()

    def _guard(self, action: Any) -> None:
        """Do something that may fail for any reason of the tracking store's; then tracking ends, not the training."""
        if self._store is None:
            return
        try:
            action(self._store)
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        line = (
            str(error)
            if isinstance(error, AnamnesisError)
            else f"{type(error).__name__}: {' '.join(str(error).split())}"
        )
        print(
            f"warning: {self._name} trains on without live tracking, `anamnesis sync` adds it later: {line[:300]}",
            file=sys.stderr,
            flush=True,
        )
        self._store = None

    def _release(self) -> None:
        self._store = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def start(name: str, experiment: Any, inputs: str, root: Path) -> LiveRun:
    """Open the run of a training that begins or resumes now, in the MLflow experiment that `experiment_name` says.

    A run of the same experiment and inputs that was left unfinished (killed, failed) is gone on with; other runs that a
    killed process left as running are marked as killed. ANAMNESIS_TRACKING=off tracks nothing.

    Args:
        name: the experiment's name in params.yaml, which becomes the run's name.
        experiment: its settings (a pydantic model with `task` and `tokens`).
        inputs: digest of everything that decides the training's result.
        root: the project's folder.
    """
    run = LiveRun(name, root)
    if os.environ.get("ANAMNESIS_TRACKING", "").lower() == "off":
        return run
    try:
        run._open(experiment, inputs)
    except Exception as error:
        run._give_up(error)
    return run


def owner(root: Path) -> str:
    """Names this working copy, or a profile's folder in it.

    By it nobody ends a run that trains in another one with the same tracking store.
    """
    path = root / ".anamnesis" / "copy"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                write_text(path, uuid.uuid4().hex)
    return digest(path.read_text(encoding="utf-8"), str(root.resolve()))[:16]


def reap(store: Store, runs: "list[Run]", name: str, inputs: str | None) -> "Run | None":
    """The unfinished live run of this working copy with these inputs, if any; its other dead ones are marked as killed.

    Without inputs all of them are dead.

    Call it only while nobody trains the experiment here, which `_hold` makes sure of.
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
    same = [run for run in unfinished if run.data.tags.get(INPUTS) == inputs]
    for run in unfinished:
        if run not in same[:1] and run.info.status == "RUNNING":
            store.client.set_terminated(run.info.run_id, "KILLED")
    return same[0] if same else None


def _hold(name: str, root: Path) -> FileLock | None:
    """A lock that a training process holds while it lives; the system lets go of it even after kill -9."""
    path = root / ".anamnesis" / "live" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def is_training(name: str, root: Path) -> bool:
    """Whether a living process of this working copy trains the experiment right now."""
    lock = _hold(name, root)
    if lock is not None:
        lock.release()
    return lock is None


def _finish(store: Store, run_id: str, fingerprint: str) -> None:
    from mlflow.entities import RunTag

    experiment_id = store.client.get_run(run_id).info.experiment_id
    twins = [run for run in store.runs(experiment_id) if run.data.tags.get(FINGERPRINT) == fingerprint]
    if any(run.info.run_id != run_id for run in twins):
        # The same bits were trained before: the run that is there already stands for them.
        store.client.set_terminated(run_id, "FINISHED")
        store.client.delete_run(run_id)
        return
    store.client.log_batch(run_id, tags=[RunTag(FINGERPRINT, fingerprint)])
    store.client.set_terminated(run_id, "FINISHED")


def _corpus(experiment: Any, root: Path) -> str:
    stats = root / "data" / "tokens" / str(getattr(experiment, "tokens", None)) / "stats.json"
    if stats.is_file():
        return str(read_json(stats)["corpus"])
    from anamnesis import params

    return params.load(root / "params.yaml").tokens[experiment.tokens].corpus
