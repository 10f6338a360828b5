"""The files of registered models: MODEL, MODEL@ALIAS or MODEL/VERSION becomes a model folder."""

import errno
import re
import resource
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anamnesis import models as saved
from anamnesis.errors import AnamnesisError, suggest
from anamnesis.files import new_folder
from anamnesis.params import NAME
from anamnesis.tracking.registration import CHALLENGER, CHAMPION
from anamnesis.tracking.results import read_json
from anamnesis.tracking.store import (
    FINGERPRINT,
    Store,
    TrackingError,
    connect,
    convert_errors,
    experiment_of,
    fingerprint_of,
    forget_outage,
    local_path,
    registered_name,
)

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

# Limits in bytes on the files of a server.
LARGEST_TEXT = 2**20
LARGEST_FILE = 2**32
# The most folders in the path of the model folder inside a pyfunc.
DEEPEST = 4


def resolve(reference: str, root: Path = Path()) -> Path:
    """The local folder of a registered model: the one in models/ if it has the same fingerprint, else MLflow's copy.

    A copy on a server is downloaded once, to `.anamnesis/registry/FINGERPRINT`. The model's card has the fingerprint
    that MLflow states. If the champion is requested and there is a challenger, a note on standard error says which
    version is used.

    Args:
        reference: 'MODEL@ALIAS', 'MODEL/VERSION', or 'MODEL' for its champion; the prefix 'models:/' is allowed.
        root: the project's folder.

    Raises:
        AnamnesisError: there is no such model, alias or version, or its files are missing, damaged, too large or
            another model's.
        TrackingError: MLflow cannot be reached.
    """
    model, alias, number = _parse(reference)
    forget_outage(root)
    store = connect(root)
    with convert_errors(store.uri):
        registered = find_registered_model(store, model)
        if number is None:
            if alias not in registered.aliases:
                raise AnamnesisError(f"{model} has no alias {alias!r}; {suggest(alias, _names(registered.aliases))}")
            number = _number(registered.aliases[alias])
        version = _version(store, model, number)
        if alias == CHAMPION:
            _note_challenger(store, registered, version)
        shown = f"{model} version {number}"
        fingerprint, experiment = fingerprint_of(version.tags), experiment_of(version.tags)
        if fingerprint is None:
            raise AnamnesisError(
                f"{shown}: its tag {FINGERPRINT} is not a fingerprint; this project did not register it"
            )
        if experiment is not None:
            card = root / "models" / experiment / saved.CARD
            if card.is_file() and read_json(card).get("fingerprint") == fingerprint:
                return card.parent
        source = None if store.is_remote else local_path(version.source or "")
        if source is not None:
            folder = _model_folder(source, shown)
            _check(folder, fingerprint, shown)
            return folder
        cached = root / ".anamnesis" / "registry" / fingerprint
        if not _is_cached(cached, fingerprint):
            _download(store, version, fingerprint, cached, shown)
        return cached


def _note_challenger(store: Store, model: "RegisteredModel", champion: "ModelVersion") -> None:
    number = model.aliases.get(CHALLENGER)
    if number is not None and _number(number) != str(champion.version):
        challenger = _version(store, model.name, _number(number))
        print(
            f"note: {model.name}@{CHAMPION} is version {champion.version} ({experiment_of(champion.tags)}); "
            f"version {challenger.version} ({experiment_of(challenger.tags)}) is the challenger: "
            f"`anamnesis promote {model.name}`",
            file=sys.stderr,
            flush=True,
        )


def find_registered_model(store: Store, model: str) -> "RegisteredModel":
    """The registered model with this name.

    Raises:
        AnamnesisError: there is none; the message suggests the nearest name.
    """
    from mlflow.exceptions import MlflowException

    try:
        return store.client.get_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    names = [each.name for each in store.client.search_registered_models(max_results=1000)]
    raise AnamnesisError(f"no registered model is named {model!r}; {suggest(model, _names(names))}")


def only_model(task: str, root: Path = Path()) -> str:
    """The name of the only registered model of a task.

    Raises:
        AnamnesisError: no model or several models are registered; the message says what to do.
        TrackingError: MLflow cannot be reached.
    """
    forget_outage(root)
    store = connect(root)
    with convert_errors(store.uri):
        prefix = registered_name(root, task)
        models = store.client.search_registered_models(f"name LIKE '{prefix}-%'", max_results=1000)
    match sorted(_names(model.name for model in models)):
        case [name]:
            return name
        case []:
            raise AnamnesisError(
                f"no {prefix} model is registered; run `anamnesis repro`, or choose an experiment: --model EXPERIMENT"
            )
        case names:
            raise AnamnesisError(
                f"several {prefix} models are registered: {', '.join(names)}; choose one: --model {names[0]}@champion"
            )


def _parse(reference: str) -> tuple[str, str, str | None]:
    """The model, the alias (empty in MODEL/VERSION) and the version number or None."""
    text = reference.removeprefix("models:/").strip()
    model, at, alias = text.partition("@")
    if at:
        if not model or not alias or "/" in text:
            raise AnamnesisError(f"found {reference!r}; allowed: MODEL, MODEL@ALIAS or MODEL/VERSION")
        return model, alias, None
    model, slash, number = text.partition("/")
    if not model or (slash and not re.fullmatch("[0-9]+", number)):
        raise AnamnesisError(f"found {reference!r}; allowed: MODEL, MODEL@ALIAS or MODEL/VERSION")
    return model, "" if slash else CHAMPION, number or None


def _version(store: Store, model: str, number: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return store.client.get_model_version(model, number)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    numbers = [_number(each.version) for each in store.client.search_model_versions(f"name = '{model}'")]
    raise AnamnesisError(f"{model} has no version {number}; allowed: {', '.join(sorted(numbers, key=int)) or '(none)'}")


def _number(version: object) -> str:
    """The version number that MLflow states, as text.

    Raises:
        TrackingError: it is not a number.
    """
    if not re.fullmatch("[0-9]{1,18}", str(version)):
        raise TrackingError(f"MLflow states {str(version)[:80]!r} as the number of a version")
    return str(version)


def _names(candidates: Iterable[str]) -> list[str]:
    """The candidates that are valid names in this project."""
    return [name for name in candidates if re.fullmatch(NAME, name) and "\n" not in name]


def _check(folder: Path, fingerprint: str, shown: str) -> dict[str, Any]:
    """The card of the model in a folder.

    Raises:
        AnamnesisError: it is damaged, or has another fingerprint.
    """
    card = saved.read_card(folder)
    if card["fingerprint"] != fingerprint:
        raise AnamnesisError(
            f"{shown}: fingerprint in {folder}: found {card['fingerprint'][:12]}; MLflow states {fingerprint[:12]}"
        )
    return card


def _is_cached(folder: Path, fingerprint: str) -> bool:
    try:
        return folder.is_dir() and bool(_check(folder, fingerprint, ""))
    except AnamnesisError:
        return False


def _download(store: Store, version: "ModelVersion", fingerprint: str, target: Path, shown: str) -> None:
    """Download the files that the model's card names; a list of files from the server is not used."""
    repository = store.repository(version.source or "")
    with tempfile.TemporaryDirectory() as temporary, new_folder(target) as folder:
        pyfunc = Path(temporary)
        _download_file(repository, "MLmodel", pyfunc / "MLmodel", LARGEST_TEXT, shown)
        path = _model_path(pyfunc, shown)
        _download_file(repository, f"{path}/{saved.CARD}", folder / saved.CARD, LARGEST_TEXT, shown)
        for name in (saved.WEIGHTS, *_check(folder, fingerprint, shown)["files"]):
            if not _is_file_name(name):
                raise AnamnesisError(f"{shown}: its card names {name[:80]!r} as a file; allowed: the name of a file")
            _download_file(repository, f"{path}/{name}", folder / name, LARGEST_FILE, shown)
        saved.read(folder)


def _download_file(repository: Any, path: str, target: Path, largest: int, shown: str) -> None:
    """Download one file of an artifact repository.

    Raises:
        AnamnesisError: it is larger than `largest` bytes.
    """
    try:
        with _largest_file(largest):
            repository._download_file(path, str(target))
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise AnamnesisError(f"{shown}: {path}: found a larger file; allowed: at most {largest:,} bytes") from None


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """Let the operating system refuse larger files, because MLflow has no limit on a download."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limits = [size, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _model_folder(pyfunc: Path, shown: str) -> Path:
    """The model folder inside a local pyfunc."""
    folder = (pyfunc / _model_path(pyfunc, shown)).resolve()
    if not folder.is_relative_to(pyfunc.resolve()) or not folder.is_dir():
        raise AnamnesisError(f"{shown}: its files are gone from {pyfunc}; run `anamnesis sync`")
    return folder


def _model_path(pyfunc: Path, shown: str) -> str:
    """The relative path of the model folder inside a pyfunc, from the pyfunc's file MLmodel.

    Raises:
        AnamnesisError: the file is missing, or this project did not write it.
    """
    import yaml

    try:
        described = yaml.safe_load((pyfunc / "MLmodel").read_text(encoding="utf-8"))
        path = described["flavors"]["python_function"]["artifacts"]["model"]["path"]
        parts = path.split("/")
    except FileNotFoundError:
        raise AnamnesisError(f"{shown}: its files are gone from {pyfunc}; run `anamnesis sync`") from None
    except (yaml.YAMLError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        parts = []
    if not 0 < len(parts) <= DEEPEST or not all(map(_is_file_name, parts)):
        raise AnamnesisError(f"{shown}: {pyfunc / 'MLmodel'}: this project did not write it")
    return str(path)


def _is_file_name(name: str) -> bool:
    """Whether this is the plain name of a file or folder, which cannot lead to another folder."""
    return re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,199}", name) is not None
