"""Finding a registered model's files: MODEL, MODEL@alias or MODEL/VERSION to a folder like models/E."""

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
from anamnesis.errors import AnamnesisError
from anamnesis.files import new_folder
from anamnesis.params import NAME, suggest
from anamnesis.tracking.registration import CHALLENGER, CHAMPION
from anamnesis.tracking.results import read_json
from anamnesis.tracking.store import (
    FINGERPRINT,
    Store,
    TrackingError,
    connect,
    experiment_of,
    fingerprint_of,
    forget_outage,
    local_path,
    reaching,
    registered_name,
)

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

# In bytes; a server that sends more is not believed.
LARGEST_TEXT = 2**20
LARGEST_FILE = 2**32
# The files of a packed model may be nested in this many folders.
DEEPEST = 4


def resolve(reference: str, root: Path = Path()) -> Path:
    """The local folder of a registered model: the result in models/ when it is the same, else MLflow's copy.

    A copy that is kept on a server is downloaded once, to `.anamnesis/registry/FINGERPRINT`. The card of the model in
    the folder has the fingerprint that MLflow says. Where the champion is asked for and there is a challenger, a note
    on standard error says which version is used.

    Args:
        reference: 'MODEL@alias', 'MODEL/VERSION' or 'MODEL', which is its champion; 'models:/' in front is allowed.
        root: the project's folder.

    Raises:
        AnamnesisError: no such model, alias or version, or its files are gone, damaged, too large or another model's.
        TrackingError: MLflow cannot be reached.
    """
    model, alias, number = _parse(reference)
    forget_outage(root)
    store = connect(root)
    with reaching(store.uri):
        found = registered_model(store, model)
        if number is None:
            if alias not in found.aliases:
                raise AnamnesisError(f"{model} has no alias {alias!r}; {suggest(alias, _names(found.aliases))}")
            number = _number(found.aliases[alias])
        version = _version(store, model, number)
        if alias == CHAMPION:
            _note_challenger(store, found, version)
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
            folder = _inside(source, shown)
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


def registered_model(store: Store, model: str) -> "RegisteredModel":
    """The registered model of that name.

    Raises:
        AnamnesisError: there is none; the line suggests the nearest name.
    """
    from mlflow.exceptions import MlflowException

    try:
        return store.client.get_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    names = [found.name for found in store.client.search_registered_models(max_results=1000)]
    raise AnamnesisError(f"no registered model is named {model!r}; {suggest(model, _names(names))}")


def only(task: str, root: Path = Path()) -> str:
    """The name of the registered model of a leaderboard that has models of one corpus only.

    Raises:
        AnamnesisError: none is registered, or several are; the line says what to do.
        TrackingError: MLflow cannot be reached.
    """
    forget_outage(root)
    store = connect(root)
    with reaching(store.uri):
        wanted = registered_name(root, task)
        found = store.client.search_registered_models(f"name LIKE '{wanted}-%'", max_results=1000)
    match sorted(_names(model.name for model in found)):
        case [name]:
            return name
        case []:
            raise AnamnesisError(
                f"no {wanted} model is registered; `anamnesis repro` does that, or say which: --model EXPERIMENT"
            )
        case names:
            raise AnamnesisError(
                f"several {wanted} models are registered: {', '.join(names)}; say which: --model {names[0]}@champion"
            )


def _parse(reference: str) -> tuple[str, str, str | None]:
    """(model, alias, or '' where a version is named, version number or None)."""
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
    numbers = [_number(found.version) for found in store.client.search_model_versions(f"name = '{model}'")]
    raise AnamnesisError(f"{model} has no version {number}; allowed: {', '.join(sorted(numbers, key=int)) or '(none)'}")


def _number(version: object) -> str:
    """A version's number as MLflow states it.

    Raises:
        TrackingError: it is none.
    """
    if not re.fullmatch("[0-9]{1,18}", str(version)):
        raise TrackingError(f"MLflow states {str(version)[:80]!r} as the number of a version")
    return str(version)


def _names(found: Iterable[str]) -> list[str]:
    """The names that this project gives to models and aliases, of all that MLflow knows."""
    return [name for name in found if re.fullmatch(NAME, name) and "\n" not in name]


def _check(folder: Path, fingerprint: str, shown: str) -> dict[str, Any]:
    """The card of the model in a folder.

    Raises:
        AnamnesisError: it is damaged, or has another fingerprint.
    """
    card = saved.read_card(folder)
    if card["fingerprint"] != fingerprint:
        raise AnamnesisError(
            f"{shown}: {folder} holds another model, {card['fingerprint'][:12]}, than MLflow says, {fingerprint[:12]}"
        )
    return card


def _is_cached(folder: Path, fingerprint: str) -> bool:
    try:
        return folder.is_dir() and bool(_check(folder, fingerprint, ""))
    except AnamnesisError:
        return False


def _download(store: Store, version: "ModelVersion", fingerprint: str, target: Path, shown: str) -> None:
    """Fetch the model's own files: those that its card names, and no list of files that the server makes up."""
    repository = store.repository(version.source or "")
    with tempfile.TemporaryDirectory() as temporary, new_folder(target) as folder:
        packed = Path(temporary)
        _fetch(repository, "MLmodel", packed / "MLmodel", LARGEST_TEXT, shown)
        place = _place(packed, shown)
        _fetch(repository, f"{place}/{saved.CARD}", folder / saved.CARD, LARGEST_TEXT, shown)
        for name in (saved.WEIGHTS, *_check(folder, fingerprint, shown)["files"]):
            if not _is_plain(name):
                raise AnamnesisError(f"{shown}: its card names {name[:80]!r} as a file; allowed: the name of a file")
            _fetch(repository, f"{place}/{name}", folder / name, LARGEST_FILE, shown)
        saved.read(folder)


def _fetch(repository: Any, path: str, target: Path, largest: int, shown: str) -> None:
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
        raise AnamnesisError(f"{shown}: {path}: more than {largest:,} bytes, which no model has") from None


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """Let the system refuse larger files: MLflow writes what a server sends, however much that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limits = [size, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _inside(packed: Path, shown: str) -> Path:
    """The model's own folder inside a packed pyfunc."""
    folder = (packed / _place(packed, shown)).resolve()
    if not folder.is_relative_to(packed.resolve()) or not folder.is_dir():
        raise AnamnesisError(f"{shown}: its files are gone from {packed}; run `anamnesis sync`")
    return folder


def _place(packed: Path, shown: str) -> str:
    """The relative path of the model's own folder inside a packed pyfunc, as the MLmodel file there says.

    Raises:
        AnamnesisError: there is no such file, or it is not what this project writes.
    """
    import yaml

    try:
        described = yaml.safe_load((packed / "MLmodel").read_text(encoding="utf-8"))
        place = described["flavors"]["python_function"]["artifacts"]["model"]["path"]
        parts = place.split("/")
    except FileNotFoundError:
        raise AnamnesisError(f"{shown}: its files are gone from {packed}; run `anamnesis sync`") from None
    except (yaml.YAMLError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        parts = []
    if not 0 < len(parts) <= DEEPEST or not all(map(_is_plain, parts)):
        raise AnamnesisError(f"{shown}: {packed / 'MLmodel'} is not one that this project writes")
    return str(place)


def _is_plain(name: str) -> bool:
    """Whether this is the name of one file or folder, and nothing that leads elsewhere."""
    return re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,199}", name) is not None
