"""Registered models in MLflow: a version of the best model of each task and corpus, with its aliases."""

import importlib
import tempfile
import time
import warnings
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from anamnesis import models, serving
from anamnesis.boards import BOARDS
from anamnesis.project import home
from anamnesis.tracking import journal
from anamnesis.tracking.result_runs import log_results
from anamnesis.tracking.results import Result, read
from anamnesis.tracking.selection import Registered, ranking_score
from anamnesis.tracking.store import (
    EXPERIMENT,
    FINGERPRINT,
    Store,
    connect,
    convert_errors,
    fingerprint_of,
    local_path,
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
# The question that the test score answers: its digest, and its text.
QUESTION = "anamnesis.question"
ASKED = "anamnesis.asked"
PROMOTED = "anamnesis.promoted."
# Packages that a served model imports; the package `anamnesis` is copied into the model.
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


def sync_models(entries: list[dict[str, Any]], root: Path = Path()) -> list[Registered]:
    """Register a version of each selected model in MLflow, and set its alias `challenger`.

    A model has one version for each fingerprint. The alias `champion` stays where it is. A model without a champion
    gets the last one in the journal of champions if its result exists, and the challenger otherwise. A second call
    changes nothing.

    Args:
        entries: the `models` of `selection.select_best`.
        root: the project's folder.

    Raises:
        TrackingError: MLflow cannot be reached.
        AnamnesisError: a model's files are damaged.
    """
    if not entries:
        return []
    store = connect(root)
    registered = []
    for entry in entries:
        model = registered_name(root, entry["model"])
        result = read(entry["experiment"], root)
        if result is None or result.fingerprint != entry["fingerprint"]:
            note = "its result changed meanwhile; run `anamnesis sync`"
            registered.append(Registered(model, entry["experiment"], entry["metric"], entry["score"], note=note))
            continue
        run = log_results([result], root).runs[result.name]
        with FileLock(shared_state(root) / "registry.lock"), convert_errors(store.uri):
            registered.append(_register(store, model, entry, result, run))
    return registered


def _register(store: Store, model: str, entry: dict[str, Any], result: Result, run: "Run") -> Registered:
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
    """The version number of the champion, and a note if the former champion is lost.

    Args:
        version: the challenger.
        current: the version number to which the alias points, or None.
    """
    last = journal.read_last(store.root, model)
    if current is not None:
        champion = store.client.get_model_version(model, str(current))
        if champion.tags.get(FINGERPRINT) == version.tags.get(FINGERPRINT) and champion.version != version.version:
            # The same model was registered again, because its run or its files were deleted.
            store.client.set_registered_model_alias(model, CHAMPION, version.version)
            champion = version
        if QUESTION not in champion.tags:
            _add_question(store, model, champion)
        if last is None or last["fingerprint"] != (fingerprint_of(champion.tags) or ""):
            # It was promoted from another working copy, or on MLflow's pages.
            tags = {key: value for key, value in champion.tags.items() if key.startswith(PROMOTED)}
            journal.append(store.root, journal.new_entry(model, champion.tags, tags))
        return str(champion.version), ""
    champion, note = version, ""
    if last and last["fingerprint"] != version.tags.get(FINGERPRINT):
        restored = _restore_version(store, model, last["fingerprint"])
        if restored is None:
            note = f"the last champion, {last.get('experiment')}, has no result here any more; a new one was set"
        champion = restored or version
    if last and last["fingerprint"] == champion.tags.get(FINGERPRINT):
        set_champion(store, model, champion, last.get("tags", {}))
    else:
        tags = {f"{PROMOTED}at": utc_time(), f"{PROMOTED}reason": "the first version of this model"}
        set_champion(store, model, champion, tags)
        journal.append(store.root, journal.new_entry(model, champion.tags, tags))
    return str(champion.version), note


def set_champion(store: Store, model: str, champion: "ModelVersion", tags: dict[str, str]) -> None:
    """Set the alias `champion` of a registered model, after the tags that say when and why."""
    for key, value in tags.items():
        store.client.set_model_version_tag(model, champion.version, key, value)
    store.client.set_registered_model_alias(model, CHAMPION, champion.version)


def utc_time() -> str:
    """The current time in UTC, in ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _restore_version(store: Store, model: str, fingerprint: str) -> "ModelVersion | None":
    """The version with this fingerprint, registered again if necessary; None if its result no longer exists."""
    for version in _versions(store, model):
        if version.tags.get(FINGERPRINT) == fingerprint and _has_files(version):
            return version
    if (result := _find_result(store, fingerprint)) is None:
        return None
    run = log_results([result], store.root).runs[result.name]
    return _ensure_version(store, model, result, run)


def _find_result(store: Store, fingerprint: str | None) -> Result | None:
    """The result in this project with this fingerprint."""
    for path in sorted((store.root / "models").glob("*/model.json")):
        result = read(path.parent.name, store.root)
        if result and result.fingerprint == fingerprint:
            return result
    return None


def _add_question(store: Store, model: str, champion: "ModelVersion") -> None:
    """Add the tags of the question to a champion that an earlier release registered, if its result exists."""
    if (result := _find_result(store, champion.tags.get(FINGERPRINT))) is not None:
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
    """The version with this result and run; it is created, or its deleted files are uploaded again, if necessary."""
    source = f"{run.info.artifact_uri}/model"
    tags = _tags(result)
    for version in _versions(store, model):
        if version.tags.get(FINGERPRINT) == result.fingerprint and version.source == source:
            if not _has_files(version):
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
    versions: list[ModelVersion] = store.pages(
        lambda token: store.client.search_model_versions(f"name = '{model}'", max_results=1000, page_token=token)
    )
    return sorted(versions, key=lambda version: -int(version.version))


def _has_files(version: "ModelVersion") -> bool:
    """False if the version's files were on this machine and have been deleted."""
    folder = local_path(version.source or "")
    return folder is None or (folder / "MLmodel").is_file()


def _upload(store: Store, result: Result, run: "Run") -> None:
    """Save the model in the pyfunc flavor among the run's artifacts, and replace an earlier upload.

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
    """The installed versions of REQUIREMENTS, without local build tags such as '+cpu', which are not on PyPI."""
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in REQUIREMENTS]


def _tags(result: Result) -> dict[str, str]:
    # MLflow's pages list the tags in this order.
    tags = {EXPERIMENT: result.name, METRIC: BOARDS[result.card["task"]].metric}
    for key, split in ((VALID_SCORE, "valid"), (TEST_SCORE, "test")):
        score = ranking_score(result, split)
        if score is not None:
            tags[key] = repr(score)
    question = (result.metrics or {}).get("question")
    if isinstance(question, dict):
        tags |= {QUESTION: str(question.get("test")), ASKED: str(question.get("asked"))}
    return tags | {FINGERPRINT: result.fingerprint}
