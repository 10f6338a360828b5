"""The best experiment of each task and corpus: chosen from the metrics, written down, and registered in MLflow."""

import importlib
import math
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from anamnesis import models, serving
from anamnesis.boards import BOARDS, Question, entrants, leading, question_of
from anamnesis.errors import AnamnesisError
from anamnesis.params import Params
from anamnesis.project import home
from anamnesis.tracking import journal
from anamnesis.tracking.projection import project_results
from anamnesis.tracking.results import Result, read, read_json
from anamnesis.tracking.store import (
    EXPERIMENT,
    FINGERPRINT,
    Store,
    connect,
    fingerprint_of,
    local_path,
    reaching,
    registered_name,
    shared_state,
)

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

CHALLENGER, CHAMPION = "challenger", "champion"
METRIC = "anamnesis.metric"
VALID_SCORE = "anamnesis.valid_score"
TEST_SCORE = "anamnesis.test_score"
# What the test score answers: a digest, and the same in words.
QUESTION = "anamnesis.question"
ASKED = "anamnesis.asked"
PROMOTED = "anamnesis.promoted."
# Packages that a served model imports; the package itself travels inside the model.
REQUIREMENTS = (
    "mlflow",
    "numpy",
    "torch",
    "safetensors",
    "pydantic",
    "filelock",
    "pyyaml",
    "tokenizers",
    "jieba",
    "scikit-learn",
    "scipy",
    "pillow",
)


@dataclass(frozen=True)
class Registered:
    """One registered model as it stands: version numbers are None when MLflow was not asked.

    `changed` says whether there is a new version, or whether an alias moved.
    """

    model: str
    experiment: str
    metric: str
    score: float
    challenger: str | None = None
    champion: str | None = None
    note: str = ""
    changed: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        text = f"{self.experiment}, valid {self.metric} {self.score:.6g}"
        if self.challenger:
            text += f", challenger version {self.challenger}, champion version {self.champion}"
        if self.challenger != self.champion:
            text += f" until `anamnesis promote {self.model}`"
        return f"{text}; {self.note}" if self.note else text


def choose(params: Params, root: Path = Path()) -> dict[str, list[dict[str, Any]]]:
    """The best experiment of each task and corpus by its validation score: the content of reports/registry.json.

    Experiments rank only against those that were asked the same question. Where the experiments of a task and corpus were asked several questions,
    that with the most entrants is registered, of equally many the first in params.yaml; `left_out` lists the
    best of each other one.

    Experiments that differ in nothing but their seed compete by their mean, and the best of those that win is entered.
    One that is not trained, not evaluated, whose metrics state no question, or whose score is missing or not a finite
    number is no candidate. Equal scores: the model with fewer parameters, then the first name.
    """
    best: dict[Question, tuple[tuple[float, float, str], dict[str, Any]]] = {}
    sizes: dict[Question, int] = {}
    for group in entrants(params.experiments):
        asked: dict[Question, list[tuple[dict[str, Any], float]]] = {}
        for name in group:
            if candidate := _candidate(name, root):
                question, entry, parameters = candidate
                asked.setdefault(question, []).append((entry, parameters))
        for question, found in asked.items():
            sign = -1 if BOARDS[question.task].higher else 1
            entry, parameters = min(found, key=lambda each: sign * each[0]["score"])
            rank = (sign * fmean(each["score"] for each, _ in found), parameters, group[0])
            sizes[question] = sizes.get(question, 0) + 1
            if question not in best or rank < best[question][0]:
                best[question] = (rank, entry)
    first = leading(sizes).values()
    entries = sorted((entry for _, entry in best.values()), key=lambda entry: str(entry["model"]))
    left_out = [best[question][1] for question in best if question not in first]
    return {
        "models": [entry for entry in entries if entry not in left_out],
        "left_out": [entry for entry in entries if entry in left_out],
    }


def _candidate(name: str, root: Path) -> tuple[Question, dict[str, Any], float] | None:
    """What an experiment was asked, its entry of reports/registry.json, and how many parameters its model has."""
    result = read(name, root)
    if result is None or result.metrics is None:
        return None
    board = BOARDS.get(result.card["task"])
    if board is None or not board.registered or (score := _score(result, "valid")) is None:
        return None
    try:
        question, asked = question_of(result.card["task"], result.card["corpus"], result.metrics)
    except (KeyError, TypeError):
        return None
    entry = {
        "model": f"{result.card['task']}-{result.card['corpus']}",
        "task": result.card["task"],
        "corpus": result.card["corpus"],
        "question": asked,
        "experiment": name,
        "fingerprint": result.fingerprint,
        "metric": board.metric,
        "score": score,
    }
    return question, entry, float(result.card.get("parameters") or 0)


def left_out(root: Path = Path()) -> list[str]:
    """A line for each question of a corpus whose best model reports/registry.json does not register."""
    found = _content(root).get("left_out", [])
    return [
        f"{entry['model']}: not registered: {entry['experiment']}, the best of those asked {entry['question']!r}; "
        "more experiments were asked something else"
        for entry in found
    ]


def chosen(root: Path = Path()) -> list[Registered]:
    """What reports/registry.json says, without MLflow."""
    return [Registered(e["model"], e["experiment"], e["metric"], e["score"]) for e in _entries(root)]


def project_registry(entries: list[dict[str, Any]], root: Path = Path()) -> list[Registered]:
    """Make MLflow hold the best experiments: one version a fingerprint, `challenger` on the best.

    `champion` is left where it is. When a model has none, it goes to the one the journal of champions names, if its
    result is still here, and otherwise to the challenger. Doing it again changes nothing.

    Args:
        entries: the `models` of what `choose` returns.
        root: the project's folder.

    Raises:
        TrackingError: MLflow cannot be reached.
        AnamnesisError: a model's files are damaged.
    """
    if not entries:
        return []
    store = connect(root)
    registered = []
    for entry in _named(entries, root):
        result = read(entry["experiment"], root)
        if result is None or result.fingerprint != entry["fingerprint"]:
            registered.append(_unprojected(entry, "its result changed meanwhile; run `anamnesis sync`"))
            continue
        run = project_results([result], root).runs[result.name]
        with FileLock(shared_state(root) / "registry.lock"), reaching(store.uri):
            registered.append(_project_model(store, entry, result, run))
    return registered


def _project_model(store: Store, entry: dict[str, Any], result: Result, run: "Run") -> Registered:
    model = entry["model"]
    _ensure_model(store, model, result)
    known = {version.version for version in _versions(store, model)}
    version = _ensure_version(store, model, result, run)
    aliases = store.client.get_registered_model(model).aliases
    if str(aliases.get(CHALLENGER)) != str(version.version):
        store.client.set_registered_model_alias(model, CHALLENGER, version.version)
    champion, note = _ensure_champion(store, model, version, aliases.get(CHAMPION))
    before = [str(aliases.get(alias)) for alias in (CHALLENGER, CHAMPION)]
    changed = version.version not in known or before != [str(version.version), champion]
    return Registered(
        model, entry["experiment"], entry["metric"], entry["score"], str(version.version), champion, note, changed
    )


def _ensure_champion(store: Store, model: str, version: "ModelVersion", current: Any) -> tuple[str, str]:
    """The champion's version number, and a note when it is not what it used to be."""
    known = journal.last(store.root, model)
    if current is not None:
        champion = store.client.get_model_version(model, str(current))
        if champion.tags.get(FINGERPRINT) == version.tags.get(FINGERPRINT) and champion.version != version.version:
            # The same model, whose earlier run or files were deleted: the alias follows to the rebuilt version.
            store.client.set_registered_model_alias(model, CHAMPION, version.version)
            champion = version
        if QUESTION not in champion.tags:
            _add_question(store, model, champion)
        if known is None or known["fingerprint"] != (fingerprint_of(champion.tags) or ""):
            # Promoted from another working copy, or by hand on MLflow's pages.
            tags = {key: value for key, value in champion.tags.items() if key.startswith(PROMOTED)}
            journal.append(store.root, journal.entry(model, champion.tags, tags))
        return str(champion.version), ""
    champion, note = version, ""
    if known and known["fingerprint"] != version.tags.get(FINGERPRINT):
        restored = _restore(store, model, known["fingerprint"])
        if restored is None:
            note = f"the champion before, {known.get('experiment')}, has no result here any more: starts again"
        champion = restored or version
    if known and known["fingerprint"] == champion.tags.get(FINGERPRINT):
        crown(store, model, champion, known.get("tags", {}))
    else:
        tags = {f"{PROMOTED}at": now(), f"{PROMOTED}reason": "the first of its model"}
        crown(store, model, champion, tags)
        journal.append(store.root, journal.entry(model, champion.tags, tags))
    return str(champion.version), note


def crown(store: Store, model: str, champion: "ModelVersion", tags: dict[str, str]) -> None:
    """Give a version the tags that say why it is champion, and then the alias."""
    for key, value in tags.items():
        store.client.set_model_version_tag(model, champion.version, key, value)
    store.client.set_registered_model_alias(model, CHAMPION, champion.version)


def now() -> str:
    """The time in UTC, ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _restore(store: Store, model: str, fingerprint: str) -> "ModelVersion | None":
    """The version of a former champion, from MLflow or made anew from its result when that is still here."""
    for version in _versions(store, model):
        if version.tags.get(FINGERPRINT) == fingerprint and _is_whole(version):
            return version
    if (result := _result_of(store, fingerprint)) is None:
        return None
    run = project_results([result], store.root).runs[result.name]
    return _ensure_version(store, model, result, run)


def _result_of(store: Store, fingerprint: str | None) -> Result | None:
    """The result here that has this fingerprint."""
    for path in sorted((store.root / "models").glob("*/model.json")):
        result = read(path.parent.name, store.root)
        if result and result.fingerprint == fingerprint:
            return result
    return None


def _add_question(store: Store, model: str, champion: "ModelVersion") -> None:
    """Add what a champion of an earlier version of this project was asked, if its result is here."""
    if (result := _result_of(store, champion.tags.get(FINGERPRINT))) is not None:
        for key, value in _tags(result).items():
            store.client.set_model_version_tag(model, champion.version, key, value)


def _ensure_model(store: Store, model: str, result: Result) -> None:
    from mlflow.exceptions import MlflowException

    try:
        store.client.get_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        card = result.card
        board = BOARDS[card["task"]]
        metric = board.metric.replace("_", " ")
        text = f"{board.title} The best {card['task']} model of corpus {card['corpus']}, "
        text += f"by {metric} on its validation split."
        store.client.create_registered_model(model, description=text)


def _ensure_version(store: Store, model: str, result: Result, run: "Run") -> "ModelVersion":
    """The version of this result on this run, made when absent, its files put back when somebody deleted them."""
    source = f"{run.info.artifact_uri}/model"
    tags = _tags(result)
    for version in _versions(store, model):
        if version.tags.get(FINGERPRINT) == result.fingerprint and version.source == source:
            if not _is_whole(version):
                _upload(store, result, run)
            for key, value in tags.items():
                if version.tags.get(key) != value:
                    store.client.set_model_version_tag(model, version.version, key, value)
            return version
    _upload(store, result, run)
    text = f"{result.name}: {tags.get(VALID_SCORE)} {tags[METRIC].replace('_', ' ')} (validation), "
    text += f"{tags.get(TEST_SCORE)} (test); {result.card.get('architecture')}"
    return store.client.create_model_version(model, source, run.info.run_id, tags=tags, description=text)


def _versions(store: Store, model: str) -> "list[ModelVersion]":
    """All versions of a registered model, latest first."""
    found: list[ModelVersion] = store.pages(
        lambda token: store.client.search_model_versions(f"name = '{model}'", max_results=1000, page_token=token)
    )
    return sorted(found, key=lambda version: -int(version.version))


def _is_whole(version: "ModelVersion") -> bool:
    folder = local_path(version.source or "")
    return folder is None or (folder / "MLmodel").is_file()


def _upload(store: Store, result: Result, run: "Run") -> None:
    """Pack the model as a pyfunc and put it among the run's artifacts; a second time replaces the first.

    Raises:
        AnamnesisError: a file of the model is damaged or altered.
    """
    import mlflow.pyfunc

    package = importlib.import_module("anamnesis")
    task = serving.module(result.card["task"])
    models.load(result.folder)
    texts, options = task.example(result.card)
    cells = [home(store.root) / "cells"] if result.card["architecture"] == "cell" else []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target = Path(folder) / "model"
        mlflow.pyfunc.save_model(
            str(target),
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={"model": str(result.folder.resolve())},
            code_paths=[str(path) for path in (Path(str(package.__file__)).parent, *cells)],
            input_example=(texts, options),
            pip_requirements=_requirements(),
            metadata={"fingerprint": result.fingerprint, "experiment": result.name, "limits": serving.limits(options)},
        )
        store.log_artifacts(run, str(target), "model")


def _requirements() -> list[str]:
    """Pins of what is installed; a local build tag such as '+cpu' is no part of a published version."""
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in REQUIREMENTS]


def _tags(result: Result) -> dict[str, str]:
    # In the order in which MLflow's pages list them.
    tags = {EXPERIMENT: result.name, METRIC: BOARDS[result.card["task"]].metric}
    for key, split in ((VALID_SCORE, "valid"), (TEST_SCORE, "test")):
        score = _score(result, split)
        if score is not None:
            tags[key] = repr(score)
    question = (result.metrics or {}).get("question")
    if isinstance(question, dict):
        tags |= {QUESTION: str(question.get("test")), ASKED: str(question.get("asked"))}
    return tags | {FINGERPRINT: result.fingerprint}


def _score(result: Result, split: str) -> float | None:
    value = ((result.metrics or {}).get(split) or {}).get(BOARDS[result.card["task"]].metric)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _content(root: Path) -> dict[str, Any]:
    path = root / "reports" / "registry.json"
    return read_json(path) if path.is_file() else {"models": []}


def _entries(root: Path) -> list[dict[str, Any]]:
    path = root / "reports" / "registry.json"
    entries = _content(root).get("models")
    keys = {"model", "experiment", "fingerprint", "metric", "score"}
    if not isinstance(entries, list) or not all(isinstance(e, dict) and keys <= e.keys() for e in entries):
        raise AnamnesisError(f"{path}: not a list of registered models; run `dvc repro register`")
    return _named(entries, root)


def _named(entries: list[dict[str, Any]], root: Path) -> list[dict[str, Any]]:
    """The entries with the profile's name before that of the model.

    The file names no profile, because it is a function of results that two profiles may have in common.
    """
    return [entry | {"model": registered_name(root, entry["model"])} for entry in entries]


def _unprojected(entry: dict[str, Any], note: str) -> Registered:
    return Registered(entry["model"], entry["experiment"], entry["metric"], entry["score"], note=note)
