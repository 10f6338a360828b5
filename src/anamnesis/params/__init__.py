"""The settings of the pipeline: params.yaml and corpora.yaml, read and checked.

files.py      read and write the two files
schema.py     their keys
checks.py     names that refer to other entries
messages.py   an error as one line
overlay.py    a profile's changes
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from anamnesis.errors import AnamnesisError, ParamsError, suggest
from anamnesis.params.checks import check_references
from anamnesis.params.files import CORPORA, CORPORA_SECTIONS, PARAMS, dump, read
from anamnesis.params.messages import describe, lookup
from anamnesis.params.overlay import apply_profile
from anamnesis.params.schema import NAME, SECTIONS, Experiment, Params

__all__ = [
    "CORPORA",
    "NAME",
    "PARAMS",
    "SECTIONS",
    "Experiment",
    "Params",
    "apply_profile",
    "check",
    "dump",
    "experiment_of",
    "load",
    "lookup",
    "read",
    "suggest",
]

_PARAMS: TypeAdapter[Params] = TypeAdapter(Params)
_EXPERIMENT: TypeAdapter[Any] = TypeAdapter(Experiment)


def load(path: Path = Path(PARAMS)) -> Params:
    """The checked content of params.yaml and of the corpora.yaml beside it.

    Raises:
        ParamsError: a file is missing, is not YAML, or holds an unknown key, a wrong type or range, or a name
            that refers to nothing. One line names the file, the key, what was found and what is allowed.
    """
    # An error names the file as the user would type it.
    here = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return check(read(here), str(here), str(here.with_name(CORPORA)))


def check(content: dict[str, Any], origin: str = PARAMS, corpora: str = CORPORA) -> Params:
    """The checked content of a params.yaml and its corpora.yaml. Raises as `load` does.

    Args:
        content: as `read` returns it.
        origin: the name of params.yaml in errors.
        corpora: the name of corpora.yaml in errors.
    """
    try:
        params = _PARAMS.validate_python(content)
    except ValidationError as error:
        message = describe(error, _PARAMS)
        file = corpora if message.startswith(CORPORA_SECTIONS) else origin
        raise ParamsError(f"{file}: {message}") from None
    try:
        return check_references(params)
    except ValueError as error:
        message = str(error)
        file = corpora if message.startswith(CORPORA_SECTIONS) else origin
        raise ParamsError(f"{file}: {message}") from None


def experiment_of(card: Mapping[str, Any]) -> Any:
    """The settings of the experiment that trained a model, from the model's card.

    Args:
        card: content of the model's model.json.

    Raises:
        AnamnesisError: the card holds no such settings, as where another version of this project wrote it.
    """
    # `parameters` of a card is the size of the network, for memory experiments too, which have a setting of this name.
    content = {**card, "parameters": card.get("allowed_parameters")}
    try:
        return _EXPERIMENT.validate_python(content, extra="ignore")
    except ValidationError as error:
        origin = f"models/{card.get('experiment')}/model.json"
        raise AnamnesisError(
            f"{origin}: {describe(error, _EXPERIMENT)}; run `anamnesis repro` to make it again"
        ) from None
