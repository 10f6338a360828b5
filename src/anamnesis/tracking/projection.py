"""MLflow runs rebuilt from the result files: made when absent, completed when partial, left alone when whole."""

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
from anamnesis.tracking.live import LIVE, is_same, is_training, reap
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
    experiment_name,
    local_path,
    owner,
    reaching,
    shared_state,
    source_tags,
)

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric, Run

PROJECTED = "anamnesis.projected"
# Part of the digest of what a run holds: raise it when a projected run holds something new.
LAYOUT = "6"
# Shown on the page of a run.
NOTE = """\
| metrics | what they are |
|---|---|
| `epoch/valid_…` | estimates after each epoch of the training, from which the best epoch is chosen |
| `valid/…`, `test/…` | the scores of the stage `evaluate`, for the stored weights of the best epoch; \
leaderboards and the registry compare these |
| `training/…` | size of the model, best epoch, time and speed |
"""
# The keys of a card that become the run's params.
SETTINGS = (
    "task", "corpus", "tokens", "needs", "seed", "model", "batches", "batch", "training",
    "trainer", "sampling", "text", "recall", "search", "length", "videos", "rows", "steps",
)  # fmt: skip


@dataclass
class Summary:
    """What one projection did: names of experiments, and the run of each that has a result."""

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


def project(names: list[str] | None = None, root: Path = Path()) -> Summary:
    """Make MLflow hold one whole run for each finished experiment; doing it again changes nothing.

    Args:
        names: experiments of params.yaml; None is all of them.
        root: the project's folder.

    Raises:
        ParamsError: a name is not in params.yaml.
        TrackingError: MLflow cannot be reached.
        AnamnesisError: a result file is not readable.
    """
    experiments = parameters.load(root / "params.yaml").experiments
    for name in names or []:
        parameters.lookup(experiments, name, "experiment")
    chosen = list(experiments) if names is None else names
    results = {name: read(name, root) for name in chosen}
    summary = project_results([result for result in results.values() if result], root, chosen)
    if names is None and summary.runs:
        _clean({run.info.run_id for run in summary.runs.values()}, root)
    return summary


def project_results(results: list[Result], root: Path, names: list[str] | None = None) -> Summary:
    """`project` for results that are already read; those of `names` that are not among them are listed as untrained."""
    summary = Summary(untrained=[name for name in names or [] if name not in {result.name for result in results}])
    if not results:
        return summary
    store = connect(root)
    # Two projections at once would both find a run absent and both make it.
    with FileLock(shared_state(root) / "projection.lock"), reaching(store.uri):
        for group in dict.fromkeys(result.group for result in results):
            experiment_id = store.experiment_id(group)
            runs = store.runs(experiment_id)
            for result in results:
                if result.group == group:
                    _project_one(store, experiment_id, runs, result, summary)
    return summary


def _project_one(store: Store, experiment_id: str, runs: "list[Run]", result: Result, summary: Summary) -> None:
    run = next((run for run in runs if run.data.tags.get(FINGERPRINT) == result.fingerprint), None)
    content = _content(result)
    if run is not None and run.data.tags.get(PROJECTED) != content and not _agrees(_curves(store, run), result):
        # MLflow takes no logged value back.
        _give_up(store, run)
        run = None
    if not is_training(result.name, store.root):
        # What a killed training left: its run, when it wrote its result and only the end is missing, or a dead one.
        inputs, is_missing = str(result.card["inputs"]), run is None

        def is_wanted(left: "Run") -> bool:
            return is_missing and left.data.tags.get(INPUTS) == inputs and _agrees(_curves(store, left), result)

        left = reap(store, runs, result.name, is_wanted)
        run = run or left
    if run is not None and run.data.tags.get(PROJECTED) == content and _has_artifacts(run):
        summary.unchanged.append(result.name)
        summary.runs[result.name] = run
        store.mark_current(run.info.run_id, result.name, runs)
        return
    if run is None:
        tags = {EXPERIMENT: result.name, INPUTS: str(result.card["inputs"]), FINGERPRINT: result.fingerprint}
        seconds = result.timings.get("seconds")
        took = int(seconds * 1000) if isinstance(seconds, int | float) else 0
        started = int(time.time() * 1000) - took
        tags |= source_tags(store) | {OWNER: owner(store.root)}
        name = run_name(result.name, result.card, store.root)
        run = store.client.create_run(experiment_id, start_time=started, tags=tags, run_name=name)
        summary.created.append(result.name)
    else:
        summary.completed.append(result.name)
    _complete(store, run, result)
    _mark_whole(store, run, result, content)
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


def _mark_whole(store: Store, run: "Run", result: Result, content: str) -> None:
    """The last step: what is interrupted before it is gone through again the next time."""
    from mlflow.entities import RunTag

    tags = {FINGERPRINT: result.fingerprint, PROJECTED: content, "mlflow.note.content": NOTE}
    run_id = run.info.run_id
    if run.info.status != "FINISHED":
        store.client.set_terminated(run_id, "FINISHED")
    store.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def _missing_metrics(store: Store, run: "Run", result: Result) -> "list[Metric]":
    """Metrics of the files that the run does not hold: epochs by (name, step), final scores also when they changed."""
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
    """(metric, epoch) -> value, of history.csv."""
    return {(f"{CURVES}{column}", epoch): value for epoch, row in result.history() for column, value in row.items()}


def _curves(store: Store, run: "Run") -> list[tuple[tuple[str, int], float]]:
    """((metric, epoch), value) of all that a run holds of its epochs."""
    return [
        ((key, metric.step), metric.value)
        for key in run.data.metrics
        if key.startswith(CURVES)
        for metric in store.client.get_metric_history(run.info.run_id, key)
    ]


def _agrees(curves: list[tuple[tuple[str, int], float]], result: Result) -> bool:
    """Whether all of these values are in the result's history.csv."""
    history = _history(result)
    return all(place in history and is_same(value, history[place]) for place, value in curves)


def _give_up(store: Store, run: "Run") -> None:
    """Take from a run, which holds other values than the result, the tags by which it is found as the result's."""
    for key in (FINGERPRINT, PROJECTED, LIVE):
        if key in run.data.tags:
            store.client.delete_tag(run.info.run_id, key)


def _clean(current: set[str], root: Path) -> None:
    """Take the tag CURRENT from the runs of this profile whose result is no longer in the workspace; remove empty runs.

    Args:
        current: the ids of the runs whose results are there.
        root: the project's folder.
    """
    store = connect(root)
    with reaching(store.uri):
        remove_empty(store)
        # TASK/CORPUS, of a profile PROFILE/TASK/CORPUS: `experiment_name` says so.
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
    """The run's final numbers: size and speed, and the scores of the weights that were kept."""
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
    """The corpus's splits, each with the sha256 of its text, of which MLflow has room for 32 digits."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import Dataset, DatasetInput, InputTag

    corpus = str(result.card["corpus"])
    contexts = {"train": "training", "valid": "validation", "test": "testing"}
    inputs: dict[str, DatasetInput] = {}
    for split, context in contexts.items():
        # A toy corpus has one text for all splits, and MLflow one entry for one text.
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
    """Digest of everything the run of this result holds."""
    documents = [f"{name} {sha256_file(path)}" for name, path in result.documents().items()]
    known = {"timings": result.timings, "texts": result.texts}
    return digest(LAYOUT, result.fingerprint, *documents, canonical_json(known))


def _has_artifacts(run: "Run") -> bool:
    """False when the artifacts are kept on this machine and somebody deleted them."""
    folder = local_path(run.info.artifact_uri)
    return folder is None or (folder / "model.json").is_file()
