"""A language model as a folder of files: see `training.saved`; beside weights and card there is its tokenizer."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from anamnesis import files
from anamnesis.errors import AnamnesisError
from anamnesis.language.protocol import NextTokenModel
from anamnesis.language.settings import Model, Sampling
from anamnesis.training import saved

if TYPE_CHECKING:
    from anamnesis.tokens.base import Tokenizer

_MODEL: TypeAdapter[Model] = TypeAdapter(Model)
TOKENIZER = "tokenizer.json"
HISTORY = ("epoch", "learning_rate", "train_perplexity", "valid_perplexity", "valid_bits_per_character")


def inputs_digest(experiment: Any, tokens_folder: Path) -> str:
    """A hex digest of all that decides how a training ends: the experiment's settings and the token store.

    Args:
        experiment: the settings of any objective of this task.

    Raises:
        AnamnesisError: the token store is not there.
    """
    return files.digest(
        files.canonical_json(experiment.model_dump(mode="json")),
        saved.read_bytes(tokens_folder / "stats.json"),
        saved.read_bytes(tokens_folder / TOKENIZER),
    )


def new_card(
    name: str, experiment: Any, stats: dict[str, Any], parameters: int, best_epoch: int | None, inputs: str
) -> dict[str, Any]:
    """The card of a model just trained, without what `training.saved.save` adds.

    Args:
        experiment: the settings of any objective of this task.
        stats: content of the token store's stats.json.
        parameters: how many numbers the training found.
        best_epoch: the epoch the weights are from; None for a model that is counted, not trained.
        inputs: `inputs_digest` of the training.
    """
    settings = experiment.model_dump(mode="json")
    return {
        "experiment": name,
        "board": experiment.board,
        "corpus": stats["corpus"],
        "architecture": experiment.model.architecture,
        "parameters": parameters,
        "best_epoch": best_epoch,
        "inputs": inputs,
        **settings,
    }


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
    from anamnesis.tokens import tokenizer

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
            from anamnesis.language.uniform import UniformModel

            return UniformModel(card, tokenizer)
        case "ngram":
            from anamnesis.language.ngram import NGramModel

            return NGramModel(card, weights, tokenizer)
        case _:
            from anamnesis.language.network import load_recurrent

            return load_recurrent(card, weights, tokenizer)
