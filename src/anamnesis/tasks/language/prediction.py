"""The answers of a served language model: the continuation of each text."""

from typing import Any

from anamnesis import serving
from anamnesis.tasks.language.model.generation import generate
from anamnesis.tasks.language.model.language_model import LanguageModel


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A text that a model can continue, and the options with their default values."""
    sampling = card["sampling"]
    options = {name: sampling[name] for name in ("length", "temperature")}
    options |= {"top_k": sampling["top_k"] or 0, "greedy": False, "seed": 0}
    return [sampling["prompt"]], serving.allowed_options(options)


def answer(model: LanguageModel, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The continuation of each text; the model starts a new text where a text is empty.

    Args:
        options: `length`, `temperature`, `top_k` (0: all tokens), `greedy` and `seed` of `generate`.

    Raises:
        AnamnesisError: an option is not allowed.
    """
    arguments = serving.complete(options, example(model.card)[1])
    arguments["top_k"] = arguments["top_k"] or None
    arguments["noise"] = model.card["sampling"]["noise"]
    return ["".join(generate(model, text, **arguments)) for text in texts]
