"""A translation model as a folder of files: see `training.saved`; beside weights and card there are its tokenizers."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from anamnesis.errors import AnamnesisError
from anamnesis.training import saved
from anamnesis.translation.settings import Copy, Model, Nearest, Search
from anamnesis.translation.translations import Translator

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOKENIZERS = ("source_tokenizer.json", "target_tokenizer.json")
PAIRS = "train.csv"
"""The training pairs, which the nearest of them are looked for among."""
HISTORY = ("epoch", "learning_rate", "train_perplexity", "valid_perplexity")


def save(folder: Path, weights: "Mapping[str, NDArray[Any]]", card: Mapping[str, Any], store: Path) -> dict[str, Any]:
    """Write a model into `folder` with copies of what it needs of its token store; the card, as it came to be."""
    names = (*TOKENIZERS, PAIRS) if card["architecture"] == "nearest" else TOKENIZERS
    return saved.save(folder, weights, card, {name: saved.read_bytes(store / name) for name in names})


def load(folder: Path) -> Translator:
    """Read a translation model, after checking every file against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or the arrays do not fit the card; the line names it.
    """
    from anamnesis.tokens import tables, tokenizer
    from anamnesis.tokens.pairs import SIDES
    from anamnesis.translation import baselines
    from anamnesis.translation.sides import Side

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
    import torch

    from anamnesis.translation.network import EncoderDecoder
    from anamnesis.translation.translator import NetworkTranslator

    source, target = (Side(tokenizer.load(folder / name)) for name in TOKENIZERS)
    with torch.device("meta"):
        # Shapes without memory: a card that asks for a billion units must not be able to fill it.
        described = dict(EncoderDecoder(settings, source.size, target.size).named_parameters())
    expected = {name: (tuple(value.shape), "float32") for name, value in described.items()}
    if {name: (value.shape, str(value.dtype)) for name, value in weights.items()} != expected:
        raise AnamnesisError(f"{folder}: the weights are not those of the network that model.json describes")
    network = EncoderDecoder(settings, source.size, target.size)
    # Tied weights are one parameter under two names, of which only the first is stored.
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=False)
    return NetworkTranslator(card, source, target, network.eval(), search)
