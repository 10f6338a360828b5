"""A language model as a folder of files: its weights, its card, its tokenizer, the history of its training.

`weights.safetensors` holds named arrays and nothing else, so no code can hide in it. `model.json`, the card, says what
the arrays belong to and holds the digests of the other two files; its `fingerprint` is the digest of the card itself.
A byte that changes anywhere is noticed before the model is used.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from anamnesis import files
from anamnesis.errors import AnamnesisError
from anamnesis.language.protocol import NextTokenModel
from anamnesis.language.settings import Experiment, Model, Sampling

if TYPE_CHECKING:
    from anamnesis.tokens.base import Tokenizer

FORMAT = 1
_MODEL: TypeAdapter[Model] = TypeAdapter(Model)
_MEND = "run `dvc repro` to make it again"
WEIGHTS, CARD, TOKENIZER = "weights.safetensors", "model.json", "tokenizer.json"
HISTORY = ("epoch", "learning_rate", "train_perplexity", "valid_perplexity", "valid_bits_per_character")


def inputs_digest(experiment: Experiment, tokens_folder: Path) -> str:
    """A hex digest of all that decides how a training ends: the experiment's settings and the token store.

    Raises:
        AnamnesisError: the token store is not there.
    """
    return files.digest(
        files.canonical_json(experiment.model_dump(mode="json")),
        _read(tokens_folder / "stats.json"),
        _read(tokens_folder / TOKENIZER),
    )


def new_card(
    name: str, experiment: Experiment, stats: dict[str, Any], parameters: int, best_epoch: int | None, inputs: str
) -> dict[str, Any]:
    """The card of a model just trained, without the digests that `save` adds.

    Args:
        stats: content of the token store's stats.json.
        parameters: how many numbers the training found.
        best_epoch: the epoch the weights are from; None for a model that is counted, not trained.
        inputs: `inputs_digest` of the training.
    """
    settings = experiment.model_dump(mode="json")
    return {
        "format": FORMAT,
        "experiment": name,
        "corpus": stats["corpus"],
        "architecture": experiment.model.architecture,
        "parameters": parameters,
        "best_epoch": best_epoch,
        "inputs": inputs,
        **settings,
    }


def save(folder: Path, weights: dict[str, NDArray[Any]], card: dict[str, Any], tokenizer_path: Path) -> dict[str, Any]:
    """Write a model into `folder`, the card last.

    Args:
        weights: named arrays of any shape; may be empty.
        card: as `new_card` makes it.
        tokenizer_path: the tokenizer.json to copy.

    Returns:
        The card with `weights_sha256`, `tokenizer_sha256` and `fingerprint`.
    """
    # The library copies raw memory, so a transposed or strided array would come back scrambled.
    contiguous = {name: np.array(value, order="C") for name, value in weights.items()}
    files.write_bytes(folder / WEIGHTS, safetensors.save(contiguous))
    files.write_bytes(folder / TOKENIZER, _read(tokenizer_path))
    complete = {
        **card,
        "weights_sha256": files.sha256_file(folder / WEIGHTS),
        "tokenizer_sha256": files.sha256_file(folder / TOKENIZER),
    }
    complete["fingerprint"] = fingerprint(complete)
    files.write_json(folder / CARD, complete)
    return complete


def fingerprint(card: dict[str, Any]) -> str:
    """The hex digest that names a model: of its card, the fingerprint itself left out."""
    return files.digest(files.canonical_json({key: value for key, value in card.items() if key != "fingerprint"}))


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a model, checked by itself; the other files are not read.

    Raises:
        AnamnesisError: it is missing, damaged or altered, or of a format this version does not know.
    """
    path = folder / CARD
    try:
        card = json.loads(_read(path).decode("utf-8"))
    except (ValueError, RecursionError):
        raise AnamnesisError(f"{path}: damaged: not valid JSON; {_MEND}") from None
    if not isinstance(card, dict) or "format" not in card:
        raise AnamnesisError(f"{path}: damaged: not the card of a model; {_MEND}")
    if card["format"] != FORMAT:
        raise AnamnesisError(f"{path}: format: found {card['format']!r}; this version reads format {FORMAT}")
    try:
        expected = fingerprint(card)
    except (ValueError, RecursionError):
        expected = None
    if card.get("fingerprint") != expected:
        raise AnamnesisError(f"{path}: altered or damaged: its content does not match its fingerprint; {_MEND}")
    try:
        model = _MODEL.validate_python(card.get("model"))
        Sampling.model_validate(card.get("sampling"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise AnamnesisError(f"{path}: not a language model's card: {place}: {first['msg']}") from None
    if card.get("architecture") != model.architecture or not isinstance(card.get("seed"), int):
        raise AnamnesisError(f"{path}: not a language model's card: `architecture` or `seed` does not fit `model`")
    return card


def load(folder: Path) -> NextTokenModel:
    """Read a model, after checking every file against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or the arrays do not fit the card; the line names it.
    """
    card = read_card(folder)
    # Digest and arrays come from the same bytes in memory: nothing can be exchanged in between.
    data = _read(folder / WEIGHTS)
    for name, content in ((WEIGHTS, data), (TOKENIZER, _read(folder / TOKENIZER))):
        if hashlib.sha256(content).hexdigest() != card.get(f"{name.partition('.')[0]}_sha256"):
            raise AnamnesisError(f"{folder / name}: altered or damaged: its sha256 is not the one in {CARD}; {_MEND}")
    try:
        weights = safetensors.load(data)
    except (SafetensorError, KeyError, TypeError, ValueError):
        raise AnamnesisError(f"{folder / WEIGHTS}: damaged: not a safetensors file of NumPy arrays; {_MEND}") from None
    from anamnesis.tokens import tokenizer

    vocabulary = tokenizer.load(folder / TOKENIZER)
    try:
        return _model(card, weights, vocabulary)
    except AnamnesisError as error:
        raise AnamnesisError(f"{folder}: {error}") from None


def history_csv(rows: list[dict[str, float]]) -> str:
    """history.csv: one row an epoch, with the columns `HISTORY`, numbers to six digits."""
    lines = [",".join(HISTORY)]
    lines += [",".join([f"{row['epoch']:.0f}", *(f"{row[column]:.6g}" for column in HISTORY[1:])]) for row in rows]
    return "\n".join(lines) + "\n"


def _model(card: dict[str, Any], weights: dict[str, NDArray[Any]], tokenizer: "Tokenizer") -> NextTokenModel:
    match card["architecture"]:
        case "uniform":
            from anamnesis.language.uniform import UniformModel

            return UniformModel(card, tokenizer)
        case "ngram":
            from anamnesis.language.ngram import NGramModel

            return NGramModel(card, weights, tokenizer)
        case _:
            from anamnesis.language.network import load_recurrent

            return load_recurrent(card, weights, tokenizer)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AnamnesisError(f"{path}: cannot be read: {error.strerror}; {_MEND}") from None
