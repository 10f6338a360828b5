"""What a registered classifier of documents answers: a text in, its label out."""

from typing import Any

from anamnesis.classification.documents import saved

load = saved.load


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A text that can be asked of a model, and the options it takes with their usual values."""
    return ["oil prices rose after the ministers agreed to pump less crude"], {}


def answer(model: Any, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The likeliest label of each text.

    Args:
        options: there are none.

    Raises:
        AnamnesisError: a text has no word in it.
    """
    labels = model.card["labels"]
    return [labels[row.argmax()] for row in model.probabilities(texts)]
