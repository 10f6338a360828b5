"""A language model as a folder of files: see `training.saved`; beside weights and card there is its tokenizer."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from anamnesis import files
from anamnesis import models as saved
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.protocol import NextTokenModel
from anamnesis.tasks.language.settings import Model, Sampling

if TYPE_CHECKING:
    from anamnesis.data.tokenizers.base import Tokenizer

_MODEL: TypeAdapter[Model] = TypeAdapter(Model)
TOKENIZER = "tokenizer.json"


def save(folder: Path, weights: dict[str, NDArray[Any]], card: dict[str, Any], tokenizer_path: Path) -> dict[str, Any]:
    """Write a model into `folder` with a copy of its tokenizer; returns the card as `training.saved.save` does."""
    return saved.save(folder, weights, card, {TOKENIZER: saved.read_bytes(tokenizer_path)})


def load(folder: Path) -> NextTokenModel:
    """Read a next-token model, after checking every file against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, the arrays do not fit the card, or the model learnt
            something else than the next token; the line names it.
    """
    card, weights = saved.read(folder)
    _check(card, folder / saved.CARD)
    from anamnesis.data.tokenizers import tokenizer

    vocabulary = tokenizer.load(folder / TOKENIZER)
    try:
        return _model(card, weights, vocabulary)
    except AnamnesisError as error:
        raise AnamnesisError(f"{folder}: {error}") from None


def fits(card: dict[str, Any], store: Path, stats: dict[str, Any]) -> bool:
    """Whether a model learned from what the token store holds now: its tokens, or its text in other tokens.

    Args:
        card: the model's card.
        stats: content of the store's stats.json.
    """
    if card.get("start") is not None:
        return bool(card["train_text_sha256"] == stats["splits"]["train"]["text_sha256"])
    return bool(files.sha256_file(store / TOKENIZER) == card["tokenizer_sha256"])


def _check(card: dict[str, Any], path: Path) -> None:
    if card.get("task") != "language" or card.get("objective") != "next-token":
        learnt = card.get("objective") or card.get("task")
        raise AnamnesisError(f"{path}: not a language model's card: it learnt {learnt}, not the next token")
    try:
        model = _MODEL.validate_python(card.get("model"))
        Sampling.model_validate(card.get("sampling"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise AnamnesisError(f"{path}: not a language model's card: {place}: {first['msg']}") from None
    if card.get("architecture") != model.architecture or not isinstance(card.get("seed"), int):
        raise AnamnesisError(f"{path}: not a language model's card: `architecture` or `seed` does not fit `model`")


def _model(card: dict[str, Any], weights: dict[str, NDArray[Any]], tokenizer: "Tokenizer") -> NextTokenModel:
    match card["architecture"]:
        case "uniform":
            from anamnesis.tasks.language.uniform import UniformModel

            return UniformModel(card, tokenizer)
        case "ngram":
            from anamnesis.tasks.language.ngram import NGramModel

            return NGramModel(card, weights, tokenizer)
        case _:
            from anamnesis.tasks.language.network import load_recurrent

            return load_recurrent(card, weights, tokenizer)
