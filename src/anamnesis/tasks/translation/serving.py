"""What a registered translation model answers: a sentence in, its translation out."""

from typing import Any

from anamnesis import serving
from anamnesis.tasks.translation import saved

load = saved.load


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A text that can be asked of a model, and the options it takes with their usual values."""
    return ["The file could not be found."], serving.allowed_options({"beam": card["search"]["beam"]})


def answer(model: Any, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The translation of each text; of one with nothing in it, nothing.

    Args:
        options: `beam`, how many hypotheses are followed at once.

    Raises:
        AnamnesisError: a text is too long to be a sentence, or an option is not allowed.
    """
    _, usual = example(model.card)
    return [best[0].text for best in model.translate(texts, serving.complete(options, usual)["beam"])]
