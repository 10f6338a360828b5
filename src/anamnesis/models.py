"""A trained model as a folder: weights, card, and the further files that the model needs.

`weights.safetensors` holds named arrays and no code. `model.json`, the card, holds the experiment's settings and the
digests of the other files; its `fingerprint` is the digest of the card. Loading checks all digests first.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from anamnesis import files
from anamnesis.errors import AnamnesisError
from anamnesis.project import home

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")
FORMAT = 1
WEIGHTS, CARD, HISTORY = "weights.safetensors", "model.json", "history.csv"
MEND = "run `anamnesis repro` to make it again"


def inputs_digest(experiment: Any, root: Path) -> str:
    """A hex digest of everything but code that decides the result of a training.

    Those inputs are the experiment's settings, its token store and, where it `needs` another model or a cell, that.

    Args:
        experiment: the settings, of any task.
        root: the project's folder.

    Raises:
        AnamnesisError: one of the inputs is missing.
    """
    store = root / "data" / "tokens" / experiment.tokens
    # The JSON files of a store hold the digests of its arrays, and the tokenizers.
    paths = sorted({store / "stats.json", *store.glob("*.json")})
    if needs := getattr(experiment, "needs", None):
        # The card of a model holds the digests of its other files.
        paths.append(root / needs / CARD if needs.startswith("models/") else home(root) / needs)
    settings = files.canonical_json(experiment.model_dump(mode="json"))
    return files.digest(settings, *(read_bytes(path) for path in paths))


def new_card(
    name: str, experiment: Any, stats: Mapping[str, Any], parameters: int, best_epoch: int | None, inputs: str
) -> dict[str, Any]:
    """The card of a trained model, without the entries that `save` adds.

    Args:
        experiment: the settings, of any task.
        stats: content of the token store's stats.json.
        parameters: the number of fitted parameters.
        best_epoch: the epoch of the weights; None for a model without epochs.
        inputs: `inputs_digest` of the training.
    """
    return {
        "experiment": name,
        "corpus": stats["corpus"],
        "architecture": experiment.model.architecture,
        "parameters": parameters,
        "best_epoch": best_epoch,
        "inputs": inputs,
        **experiment.model_dump(mode="json"),
    }


def save(
    folder: Path, weights: Mapping[str, NDArray[Any]], card: Mapping[str, Any], more: Mapping[str, bytes]
) -> dict[str, Any]:
    """Write a model into `folder`, the card last.

    Args:
        weights: named arrays of any shape; may be empty.
        card: the card, as `new_card` returns it, with further entries.
        more: contents of the further files, by name.

    Returns:
        The card with `format`, `files` (the names of `more`), a digest NAME_sha256 of each file, and `fingerprint`.
    """
    # The library copies raw memory, so a transposed or strided array would come back scrambled.
    contiguous = {name: np.array(value, order="C") for name, value in weights.items()}
    contents = {WEIGHTS: safetensors.save(contiguous), **more}
    for name, content in contents.items():
        files.write_bytes(folder / name, content)
    digests = {_digest_key(name): hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    complete = {"format": FORMAT, **card, "files": sorted(more), **digests}
    complete["fingerprint"] = fingerprint(complete)
    files.write_json(folder / CARD, complete)
    return complete


def store(
    root: Path,
    name: str,
    weights: Mapping[str, NDArray[Any]],
    card: Mapping[str, Any],
    more: Mapping[str, bytes],
    history: Sequence[Mapping[str, float]] | str = (),
    samples: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Write models/NAME at once: the files of `save`, the history and the samples.

    Args:
        root: the project's folder.
        name: the experiment.
        history: rows of history.csv, one an epoch, all with the same keys, `epoch` first; or the content of the file.
        samples: texts that the model wrote, each with a heading, for samples.txt.

    Returns:
        The card, model.json.
    """
    with files.new_folder(root / "models" / name) as folder:
        complete = save(folder, weights, card, more)
        if history:
            text = history if isinstance(history, str) else history_csv(list(history[0]), history)
            files.write_text(folder / HISTORY, text)
        if samples:
            files.write_text(folder / "samples.txt", "\n".join(f"== {when} ==\n{text}\n" for when, text in samples))
    return complete


def fingerprint(card: Mapping[str, Any]) -> str:
    """The hex digest that identifies a model: the digest of its card without the fingerprint."""
    return files.digest(files.canonical_json({key: value for key, value in card.items() if key != "fingerprint"}))


def read_card(folder: Path) -> dict[str, Any]:
    """The checked card of a model; the other files are not read.

    Raises:
        AnamnesisError: the card is missing, damaged or altered, or has a format that this version does not know.
    """
    path = folder / CARD
    try:
        card = json.loads(read_bytes(path).decode("utf-8"))
    except (ValueError, RecursionError):
        raise AnamnesisError(f"{path}: damaged: not valid JSON; {MEND}") from None
    if not isinstance(card, dict) or "format" not in card:
        raise AnamnesisError(f"{path}: damaged: not the card of a model; {MEND}")
    if card["format"] != FORMAT:
        raise AnamnesisError(f"{path}: format: found {card['format']!r}; this version reads format {FORMAT}")
    try:
        expected = fingerprint(card)
    except (ValueError, RecursionError):
        expected = None
    if card.get("fingerprint") != expected:
        raise AnamnesisError(f"{path}: altered or damaged: its content does not match its fingerprint; {MEND}")
    names = card.get("files")
    if not isinstance(names, list) or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise AnamnesisError(f"{path}: not the card of a model: `files` holds no names of files")
    return card


def read(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The card and the weights of a model, after checking every file against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered; the line names it.
    """
    card = read_card(folder)
    # Digest and arrays come from the same bytes in memory, so that nobody can exchange the file in between.
    data = read_bytes(folder / WEIGHTS)
    for name, content in [(WEIGHTS, data), *((name, read_bytes(folder / name)) for name in card["files"])]:
        if hashlib.sha256(content).hexdigest() != card.get(_digest_key(name)):
            raise AnamnesisError(f"{folder / name}: altered or damaged: its sha256 is not the one in {CARD}; {MEND}")
    try:
        return card, safetensors.load(data)
    except (SafetensorError, KeyError, TypeError, ValueError):
        raise AnamnesisError(f"{folder / WEIGHTS}: damaged: not a safetensors file of NumPy arrays; {MEND}") from None


def experiment_of(card: Mapping[str, Any]) -> Any:
    """The settings of the experiment that trained a model. Raises as `params.experiment_of`."""
    from anamnesis import params

    return params.experiment_of(card)


@dataclass(frozen=True)
class ModelFolder:
    """The checked content of a model folder, from which a task makes a model.

    Attributes:
        folder: where the further files of the model are.
        card: content of model.json.
        experiment: the settings in the card, validated.
        weights: the arrays by name.
        device: where a network of the model is to compute, "cpu" or "cuda".
    """

    folder: Path
    card: dict[str, Any]
    experiment: Any
    weights: dict[str, NDArray[Any]]
    device: str = "cpu"


def load(folder: Path, device: str = "cpu") -> Any:
    """The trained model of a folder, of any task, in evaluation mode; its attribute `card` is the model's card.

    Args:
        folder: the model folder.
        device: where a network computes, "cpu" or "cuda"; a model without a network is always on the CPU.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or the arrays do not fit the card; the line names it.
    """
    from anamnesis import tasks

    card, weights = read(folder)
    experiment = experiment_of(card)
    return tasks.part(experiment.task, "loading").load(ModelFolder(folder, card, experiment, weights, device))


def load_network(
    folder: Path, make: "Callable[[], Network]", weights: Mapping[str, NDArray[Any]], device: str = "cpu"
) -> "Network":
    """A network in evaluation mode with the weights of a model folder.

    Args:
        folder: the model folder, for errors.
        make: creates the network with any weights.
        weights: the parameters by name.
        device: where the network computes.

    Raises:
        AnamnesisError: the weights do not fit the network.
    """
    import torch

    try:
        with torch.device("meta"), warnings.catch_warnings():
            # A card may ask for layers of size 0, which is an error below.
            warnings.simplefilter("ignore")
            # On the meta device, so that a card which asks for a billion units takes no memory.
            described = dict(make().named_parameters())
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AnamnesisError(f"{folder}: model.json describes no network that can be made: {reason}") from None
    expected = {name: (tuple(value.shape), "float32") for name, value in described.items()}
    if {name: (value.shape, str(value.dtype)) for name, value in weights.items()} != expected:
        raise AnamnesisError(f"{folder}: the weights are not those of the network that model.json describes")
    network = make()
    # Tied weights are one parameter with two names, of which only the first is stored. Buffers are not stored.
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=False)
    return network.eval().to(device)


def history_csv(columns: Sequence[str], rows: Iterable[Mapping[str, float]]) -> str:
    """The content of history.csv: one row for each epoch, with an integer first and numbers of six digits."""
    first, *others = columns
    lines = [",".join([f"{row[first]:.0f}", *(f"{row[column]:.6g}" for column in others)]) for row in rows]
    return "\n".join([",".join(columns), *lines]) + "\n"


def keep_timings(root: Path, name: str, card: Mapping[str, Any], **measured: float) -> None:
    """Write the times of a training to `.anamnesis/timings`, for MLflow; no DVC output holds times.

    Args:
        root: the project's folder.
        name: the experiment.
        card: the card of the trained model, whose fingerprint identifies the training.
        measured: seconds, processor seconds and speed, by name.
    """
    path = root / ".anamnesis" / "timings" / f"{name}.json"
    files.write_json(path, {"fingerprint": card["fingerprint"], **measured})


def read_bytes(path: Path) -> bytes:
    """The content of a file that a stage wrote.

    Raises:
        AnamnesisError: the file is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise AnamnesisError(f"{path}: cannot be read: {error.strerror}; {MEND}") from None


def _digest_key(name: str) -> str:
    return f"{name.partition('.')[0]}_sha256"
