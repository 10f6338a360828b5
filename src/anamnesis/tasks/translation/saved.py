"""A translation model as a folder of files: see `training.saved`; beside weights and card there are its tokenizers."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from anamnesis import models as saved
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation.settings import Copy, Model, Nearest, Search
from anamnesis.tasks.translation.translations import Translator

TOKENIZERS = ("source_tokenizer.json", "target_tokenizer.json")
PAIRS = "train.csv"
"""The training pairs, which the nearest of them are looked for among."""


def needed(store: Path, architecture: str) -> dict[str, bytes]:
    """What a model needs of its token store: the content of files, by name."""
    names = (*TOKENIZERS, PAIRS) if architecture == "nearest" else TOKENIZERS
    return {name: saved.read_bytes(store / name) for name in names}


def load(folder: Path) -> Translator:
    """Read a translation model, after checking every file against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or the arrays do not fit the card; the line names it.
    """
    from anamnesis.data.stores import tables
    from anamnesis.data.stores.pairs import SIDES
    from anamnesis.data.tokenizers import tokenizer
    from anamnesis.tasks.translation import baselines
    from anamnesis.tasks.translation.sides import Side

    card, weights = saved.read(folder)
    try:
        if card.get("task") != "translation":
            raise ValueError
        settings: Model = TypeAdapter(Model).validate_python(card.get("model"))
        search = Search.model_validate(card.get("search"))
    except (ValidationError, ValueError):
        raise AnamnesisError(f"{folder}: not a model that translates") from None
    match settings:
        case Copy():
            return baselines.Copy(card)
        case Nearest():
            pairs = list(tables.rows(folder / PAIRS, SIDES))
            return baselines.Nearest([source for source, _ in pairs], [target for _, target in pairs], card)
    from anamnesis.tasks.translation.network import EncoderDecoder
    from anamnesis.tasks.translation.translator import NetworkTranslator

    source, target = (Side(tokenizer.load(folder / name)) for name in TOKENIZERS)
    network = saved.network(folder, lambda: EncoderDecoder(settings, source.size, target.size), weights)
    return NetworkTranslator(card, source, target, network, search)
