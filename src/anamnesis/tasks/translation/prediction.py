"""What a served translator answers: a sentence in, its translation out."""

from typing import Any

from anamnesis import deadline, serving
from anamnesis.tasks.translation.model.translations import Translator


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A sentence that a model can translate, and the options with their default values."""
    return ["The file could not be found."], serving.allowed_options({"beam": card["search"]["beam"]})


def answer(model: Translator, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The translation of each text; an empty text has an empty one.

    Args:
        options: `beam`, the number of hypotheses that the search follows.

    Raises:
        AnamnesisError: a text is too long for a sentence, or an option is not allowed.
    """
    beam = serving.complete(options, example(model.card)[1])["beam"]
    translations = model.translate(texts, beam, progress=lambda count: deadline.check())
    return [best[0].text if text.strip() else "" for text, best in zip(texts, translations, strict=True)]
