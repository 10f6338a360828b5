"""A trained language model to begin with: for fine-tuning, for an evaluation on another text, or as an encoder."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from anamnesis import models
from anamnesis.data.tokenizers import tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.model.predictor import RecurrentPredictor, load_recurrent
from anamnesis.tasks.language.model.text import TOKENIZER
from anamnesis.tasks.language.settings import Model, Reader


def start_model(folder: Path, expected: Reader | None = None) -> RecurrentPredictor:
    """The recurrent language model of a folder, in evaluation mode.

    Args:
        folder: models/EXPERIMENT.
        expected: the `model` block that it must have been trained with; None: any.

    Raises:
        AnamnesisError: a file is missing or damaged, or the model is not recurrent or has another `model` block.
    """
    card, weights = models.read(folder)
    settings = model_settings(folder, card.get("model"))
    if expected not in (None, settings):
        raise AnamnesisError(f"{folder}: its `model` block is another; run `anamnesis repro {folder.name}`")
    return load_recurrent(folder, settings, weights, card, tokenizer.load(folder / TOKENIZER))


def model_settings(folder: Path, block: object) -> Reader:
    """The validated `model` block of a recurrent language model.

    Args:
        folder: the model's folder, for error messages.
        block: content of the block.

    Raises:
        AnamnesisError: it is not such a block.
    """
    try:
        settings: Model = TypeAdapter(Model).validate_python(block)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, ("model", *first["loc"])))
        raise AnamnesisError(f"{folder}: model.json: {place}: {first['msg']}") from None
    if not isinstance(settings, Reader):
        raise AnamnesisError(f"{folder}: found architecture {settings.architecture}; allowed: a recurrent one")
    return settings
