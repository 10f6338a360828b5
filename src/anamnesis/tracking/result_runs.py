"""MLflow runs from result files: missing runs are created, incomplete runs are completed."""

import math
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from anamnesis import params as parameters
from anamnesis.files import canonical_json, digest, sha256_file
from anamnesis.tracking.live import LIVE, equal_in_csv, is_training, take_unfinished_run
from anamnesis.tracking.names import run_name
from anamnesis.tracking.project_run import remove_empty
from anamnesis.tracking.results import Result, flatten, read
from anamnesis.tracking.store import (
    BATCH_METRICS,
    BATCH_PARAMS,
    CURRENT,
    CURVES,
    EXPERIMENT,
    FINGERPRINT,
    INPUTS,
    OWNER,
    Store,
    connect,
    convert_errors,
    experiment_name,
    local_path,
    owner,
    shared_state,
    source_tags,
)

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric, Run

PROJECTED = "anamnesis.projected"
# Part of the tag above; increase it when runs get new content.
LAYOUT = "6"
# The description of a run.
NOTE = """\
| metrics | meaning |
|---|---|
| `epoch/valid_…` | estimates after each epoch of the training; they select the best epoch |
| `valid/…`, `test/…` | the scores of the stage `evaluate`, for the stored weights of the best epoch; \
leaderboards and the registry compare these |
| `training/…` | size of the model, best epoch, time and speed |
"""
# The keys of a model's card that become params of the run.
SETTINGS = (
    "task", "corpus", "tokens", "needs", "seed", "model", "batches", "batch", "training",
    "trainer", "sampling", "text", "recall", "search", "length", "videos", "rows", "steps",
)  # fmt: skip


@dataclass
class Summary:
    """The names of experiments whose runs were created, completed or unchanged, and the runs by experiment."""

    created: list[str] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    untrained: list[str] = field(default_factory=list)
    runs: "dict[str, Run]" = field(default_factory=dict)

    def __str__(self) -> str:
        counts = {"created": self.created, "completed": self.completed, "unchanged": self.unchanged}
        text = "runs in MLflow: " + ", ".join(f"{len(names)} {kind}" for kind, names in counts.items())
        if self.untrained:
            text += f", {len(self.untrained)} without a result"
        return text


def sync_runs(names: list[str] | None = None, root: Path = Path()) -> Summary:
    """Create or complete one run for each finished experiment; a second call changes nothing.

    Args:
        names: experiments in params.yaml; None: all.
        root: the project's folder.

    Raises:
        ParamsError: a name is not in params.yaml.
        TrackingError: MLflow cannot be reached.
        AnamnesisError: a result file cannot be read.
    """
    experiments = parameters.load(root / "params.yaml").experiments
    for name in names or []:
        parameters.lookup(experiments, name, "experiment")
    chosen = list(experiments) if names is None else names
    results = {name: read(name, root) for name in chosen}
    summary = log_results([result for result in results.values() if result], root, chosen)
    if names is None and summary.runs:
        _remove_stale_tags({run.info.run_id for run in summary.runs.values()}, root)
    return summary


def log_results(results: list[Result], root: Path, names: list[str] | None = None) -> Summary:
    """Create or complete the run of each result; `names` without a result are listed as untrained."""
    summary = Summary(untrained=[name for name in names or [] if name not in {result.name for result in results}])
    if not results:
        return summary
    store = connect(root)
    # Without the lock, two processes could create the same run.
    with FileLock(shared_state(root) / "result_runs.lock"), convert_errors(store.uri):
        for group in dict.fromkeys(result.group for result in results):
            experiment_id = store.experiment_id(group)
            runs = store.runs(experiment_id)
            for result in results:
                if result.group == group:
                    _log_result(store, experiment_id, runs, result, summary)
    return summary


def _log_result(store: Store, experiment_id: str, runs: "list[Run]", result: Result, summary: Summary) -> None:
    run = next((run for run in runs if run.data.tags.get(FINGERPRINT) == result.fingerprint), None)
    content = _content(result)
    if run is not None and run.data.tags.get(PROJECTED) != content and not _agree(_curves(store, run), result):
        # MLflow cannot change a logged value, so a new run replaces this one.
        _remove_tags(store, run)
        run = None
    if not is_training(result.name, store.root):
        # If the training was killed after it wrote its result, its unfinished run is completed.
        inputs, is_missing = str(result.card["inputs"]), run is None

        def is_wanted(other: "Run") -> bool:
            return is_missing and other.data.tags.get(INPUTS) == inputs and _agree(_curves(store, other), result)

        unfinished = take_unfinished_run(store, runs, result.name, is_wanted)
        run = run or unfinished
    if run is not None and run.data.tags.get(PROJECTED) == content and _has_artifacts(run):
        summary.unchanged.append(result.name)
        summary.runs[result.name] = run
        store.mark_current(run.info.run_id, result.name, runs)
        return
    if run is None:
        tags = {EXPERIMENT: result.name, INPUTS: str(result.card["inputs"]), FINGERPRINT: result.fingerprint}
        seconds = result.timings.get("seconds")
        duration = int(seconds * 1000) if isinstance(seconds, int | float) else 0
        started = int(time.time() * 1000) - duration
        tags |= source_tags(store) | {OWNER: owner(store.root)}
        name = run_name(result.name, result.card, store.root)
        run = store.client.create_run(experiment_id, start_time=started, tags=tags, run_name=name)
        summary.created.append(result.name)
    else:
        summary.completed.append(result.name)
    _complete(store, run, result)
    _mark_complete(store, run, result, content)
    store.mark_current(run.info.run_id, result.name, runs)
    summary.runs[result.name] = run


def _complete(store: Store, run: "Run", result: Result) -> None:
    from mlflow.entities import Param

    run_id = run.info.run_id
    metrics = _missing_metrics(store, run, result)
    for start in range(0, len(metrics), BATCH_METRICS):
        store.client.log_batch(run_id, metrics=metrics[start : start + BATCH_METRICS])
    settings = flatten({key: result.card[key] for key in SETTINGS if key in result.card})
    new = [Param(key, value) for key, value in settings.items() if key not in run.data.params]
    for start in range(0, len(new), BATCH_PARAMS):
        store.client.log_batch(run_id, params=new[start : start + BATCH_PARAMS])
    known = {(item.dataset.name, item.dataset.digest) for item in run.inputs.dataset_inputs} if run.inputs else set()
    datasets = [item for item in _datasets(result) if (item.dataset.name, item.dataset.digest) not in known]
    if datasets:
        store.client.log_inputs(run_id, datasets)
    with tempfile.TemporaryDirectory() as folder:
        for name, path in result.documents().items():
            shutil.copyfile(path, Path(folder) / name)
        store.log_artifacts(run, folder)


def _mark_complete(store: Store, run: "Run", result: Result, content: str) -> None:
    """Tag the run as complete; this is the last step, so that the next call repeats an interrupted one."""
    from mlflow.entities import RunTag

    tags = {FINGERPRINT: result.fingerprint, PROJECTED: content, "mlflow.note.content": NOTE}
    run_id = run.info.run_id
    if run.info.status != "FINISHED":
        store.client.set_terminated(run_id, "FINISHED")
    store.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def _missing_metrics(store: Store, run: "Run", result: Result) -> "list[Metric]":
    """The metrics that the run lacks: values of epochs, and final scores that are missing or have changed."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    present = {place for place, _ in _curves(store, run)}
    missing = [
        Metric(key, value, now, epoch)
        for (key, epoch), value in _history(result).items()
        if (key, epoch) not in present
    ]
    for key, value in _scores(result).items():
        if run.data.metrics.get(key) != value:
            missing.append(Metric(key, value, now, 0))
    return missing


def _history(result: Result) -> dict[tuple[str, int], float]:
    """The values in history.csv by metric and epoch."""
    return {(f"{CURVES}{column}", epoch): value for epoch, row in result.history() for column, value in row.items()}


def _curves(store: Store, run: "Run") -> list[tuple[tuple[str, int], float]]:
    """The values of epochs in a run, as ((metric, epoch), value)."""
    return [
        ((key, metric.step), metric.value)
        for key in run.data.metrics
        if key.startswith(CURVES)
        for metric in store.client.get_metric_history(run.info.run_id, key)
    ]


def _agree(curves: list[tuple[tuple[str, int], float]], result: Result) -> bool:
    """Whether all values are in the result's history.csv."""
    history = _history(result)
    return all(place in history and equal_in_csv(value, history[place]) for place, value in curves)


def _remove_tags(store: Store, run: "Run") -> None:
    """Delete the tags that connect a run with a result; the run has other values than the result."""
    for key in (FINGERPRINT, PROJECTED, LIVE):
        if key in run.data.tags:
            store.client.delete_tag(run.info.run_id, key)


def _remove_stale_tags(current: set[str], root: Path) -> None:
    """Delete the tag CURRENT of runs whose results are no longer in the workspace, and delete empty runs.

    Only runs of this working copy and profile are changed.

    Args:
        current: ids of the runs whose results are in the workspace.
        root: the project's folder.
    """
    store = connect(root)
    with convert_errors(store.uri):
        remove_empty(store)
        # "/" for the standard profile, "PROFILE//" for another one; see `experiment_name`.
        pattern = experiment_name(root, "", "")
        ids = [
            each.experiment_id
            for each in store.pages(lambda token: store.client.search_experiments(page_token=token))
            if each.name.count("/") == pattern.count("/") and each.name.startswith(pattern.removesuffix("/"))
        ]
        mine, filters = owner(root), f"tags.{CURRENT} = 'true'"
        for run in store.pages(lambda token: store.client.search_runs(ids, filters, page_token=token)) if ids else ():
            if run.info.run_id not in current and run.data.tags.get(OWNER) == mine:
                store.client.delete_tag(run.info.run_id, CURRENT)


def _scores(result: Result) -> dict[str, float]:
    """The run's final metrics: size and speed of the model, and the scores of its weights."""
    described = {key: result.card.get(key) for key in ("parameters", "best_epoch")} | result.timings
    scores: dict[str, Any] = {f"training/{key}": value for key, value in described.items()}
    for split in ("valid", "test"):
        scores |= {f"{split}/{key}": value for key, value in ((result.metrics or {}).get(split) or {}).items()}
    return {
        key: float(value)
        for key, value in scores.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _datasets(result: Result) -> "list[DatasetInput]":
    """The splits of the corpus, each with 32 digits of the sha256 of its text, which is MLflow's limit."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import Dataset, DatasetInput, InputTag

    corpus = str(result.card["corpus"])
    contexts = {"train": "training", "valid": "validation", "test": "testing"}
    inputs: dict[str, DatasetInput] = {}
    for split, context in contexts.items():
        # MLflow has one entry for each text, and a toy corpus has the same text in all splits.
        if split in result.texts and result.texts[split] not in inputs:
            source = CodeDatasetSource({"mlflow.source.name": f"data/raw/{corpus}", "split": split})
            described = MetaDataset(source, name=corpus, digest=result.texts[split][:32]).to_dict()  # type: ignore[abstract]
            dataset = Dataset(
                described["name"],
                described["digest"],
                described["source_type"],
                described["source"],
                described.get("schema"),
                described.get("profile"),
            )
            inputs[result.texts[split]] = DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
    return list(inputs.values())


def _content(result: Result) -> str:
    """A digest of the complete content of the result's run."""
    documents = [f"{name} {sha256_file(path)}" for name, path in result.documents().items()]
    details = {"timings": result.timings, "texts": result.texts}
    return digest(LAYOUT, result.fingerprint, *documents, canonical_json(details))


def _has_artifacts(run: "Run") -> bool:
    """False if the artifacts were on this machine and have been deleted."""
    folder = local_path(run.info.artifact_uri)
    return folder is None or (folder / "model.json").is_file()
