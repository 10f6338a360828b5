"""Finding a registered model's files: MODEL, MODEL@alias or MODEL/VERSION to a folder like models/E."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anamnesis.errors import AnamnesisError
from anamnesis.files import new_folder
from anamnesis.params import suggest
from anamnesis.tracking.results import read_json
from anamnesis.tracking.store import EXPERIMENT, FINGERPRINT, Store, connect, local_path, reaching, registered_name

if TYPE_CHECKING:
    from mlflow.entities.model_registry import RegisteredModel


def resolve(reference: str, root: Path = Path()) -> Path:
    """The local folder of a registered model: the result in models/ when it is the same, else MLflow's copy.

    A copy that is kept on a server is downloaded once, to `.anamnesis/registry/FINGERPRINT`.

    Args:
        reference: 'MODEL@alias', 'MODEL/VERSION' or 'MODEL', which is its champion; 'models:/' in front is allowed.
        root: the project's folder.

    Raises:
        AnamnesisError: no such model, alias or version, or its files are gone.
        TrackingError: MLflow cannot be reached.
    """
    model, alias, number = _parse(reference)
    store = connect(root)
    with reaching(store.uri):
        found = registered_model(store, model)
        if number is None:
            if alias not in found.aliases:
                raise AnamnesisError(f"{model} has no alias {alias!r}; {suggest(alias, list(found.aliases))}")
            number = str(found.aliases[alias])
        version = _version(store, model, number)
        fingerprint = version.tags.get(FINGERPRINT, "")
        folder = root / "models" / version.tags.get(EXPERIMENT, "")
        card = folder / "model.json"
        if fingerprint and card.is_file() and read_json(card).get("fingerprint") == fingerprint:
            return folder
        source = local_path(version.source or "")
        if source is not None:
            return _inside(source, f"{model} version {number}")
        cached = root / ".anamnesis" / "registry" / (fingerprint or f"{model}-{number}")
        if not cached.is_dir():
            _download(store, version, cached, f"{model} version {number}")
        return cached


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
    raise AnamnesisError(f"no registered model is named {model!r}; {suggest(model, names)}")


def only(board: str, root: Path = Path()) -> str:
    """The name of the registered model of a leaderboard that has models of one corpus only.

    Raises:
        AnamnesisError: none is registered, or several are; the line says what to do.
        TrackingError: MLflow cannot be reached.
    """
    store = connect(root)
    with reaching(store.uri):
        wanted = registered_name(root, board)
        found = store.client.search_registered_models(f"name LIKE '{wanted}-%'", max_results=1000)
    match sorted(model.name for model in found):
        case [name]:
            return str(name)
        case []:
            raise AnamnesisError(
                f"no {wanted} model is registered; `anamnesis repro` does that, or say which: --model EXPERIMENT"
            )
        case names:
            raise AnamnesisError(
                f"several {wanted} models are registered: {', '.join(names)}; say which: --model {names[0]}@champion"
            )


def _parse(reference: str) -> tuple[str, str, str | None]:
    """(model, alias, version number or None)."""
    text = reference.removeprefix("models:/").strip()
    model, at, alias = text.partition("@")
    if at:
        if not model or not alias or "/" in text:
            raise AnamnesisError(f"found {reference!r}; allowed: MODEL, MODEL@ALIAS or MODEL/VERSION")
        return model, alias, None
    model, slash, number = text.partition("/")
    if not model or (slash and not number.isdecimal()):
        raise AnamnesisError(f"found {reference!r}; allowed: MODEL, MODEL@ALIAS or MODEL/VERSION")
    return model, "champion", number or None


def _version(store: Store, model: str, number: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return store.client.get_model_version(model, number)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    numbers = [str(found.version) for found in store.client.search_model_versions(f"name = '{model}'")]
    raise AnamnesisError(f"{model} has no version {number}; allowed: {', '.join(sorted(numbers, key=int)) or '(none)'}")


def _download(store: Store, version: Any, target: Path, shown: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        from mlflow.artifacts import download_artifacts

        path = download_artifacts(artifact_uri=version.source, dst_path=temporary, tracking_uri=store.uri)
        with new_folder(target) as folder:
            for file in _inside(Path(path), shown).iterdir():
                shutil.copyfile(file, folder / file.name)


def _inside(packed: Path, shown: str) -> Path:
    """The model's own folder inside a packed pyfunc, which says in its MLmodel file where it lies."""
    import yaml

    try:
        described = yaml.safe_load((packed / "MLmodel").read_text(encoding="utf-8"))
        relative = described["flavors"]["python_function"]["artifacts"]["model"]["path"]
    except FileNotFoundError:
        raise AnamnesisError(f"{shown}: its files are gone from {packed}; run `anamnesis sync`") from None
    except (yaml.YAMLError, KeyError, TypeError):
        raise AnamnesisError(f"{shown}: {packed / 'MLmodel'} is not one that this project writes") from None
    folder = (packed / relative).resolve()
    if not folder.is_relative_to(packed.resolve()) or not folder.is_dir():
        raise AnamnesisError(f"{shown}: its files are gone from {packed}; run `anamnesis sync`")
    return folder
