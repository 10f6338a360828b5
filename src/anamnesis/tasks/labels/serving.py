"""What a registered classifier answers: of each text, or of each video as text, its label."""

from typing import Any

from anamnesis.tasks.labels import readers, saved

load = saved.load


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A text that can be asked of a model, and the options it takes with their usual values."""
    texts, options = readers.module(card["reads"], "serving").example(card)
    return texts, options


def answer(model: Any, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The likeliest label of each text.

    Args:
        options: as `example` has them.

    Raises:
        AnamnesisError: a text is not what the model can read.
    """
    found: list[str] = readers.module(model.card["reads"], "serving").answer(model, texts, options)
    return found
