"""What a served classifier of documents answers: a text in, its label out."""

from typing import Any

from anamnesis import serving
from anamnesis.tasks.classification.loading import Classifier

EXAMPLES = {
    "words": "oil prices rose after the ministers agreed to pump less crude",
    "characters": "It is a truth universally acknowledged, that a single man must be in want of a wife.",
}


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A text that a model can classify, and the options with their default values."""
    kind = "characters" if card["model"]["architecture"] in ("histogram", "language-model") else "words"
    return [EXAMPLES[kind]], {"top": 0}


def answer(model: Classifier, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The most probable label of each text; a text without tokens has an empty answer.

    Args:
        options: `top`, how many labels to give with their probabilities, as a JSON object; 0: the most probable label
            alone.

    Raises:
        AnamnesisError: an option is not allowed.
    """
    top = serving.complete(options, example(model.card)[1])["top"]
    return [serving.ranking(labels, top) if labels else "" for labels in model.classify(texts)]
