"""What a registered language model answers, whatever its objective: texts in, texts out."""

from pathlib import Path
from typing import Any

from anamnesis.errors import AnamnesisError
from anamnesis.language import objectives
from anamnesis.training.saved import CARD, read_card

EXAMPLES = {
    "cloze": "I will ____ a new phone.",
    "word-number": "It is a truth universally acknowledged , that a single man in possession of a good fortune must be "
    "in want of a wife .",
    "passage": "It is a truth universally acknowledged, that a single man must be in want of a wife.",
}


def load(folder: Path) -> Any:
    """A model of any objective, every file checked against its digest.

    Raises:
        AnamnesisError: a file is missing, damaged or altered, or no such objective is known.
    """
    objective = read_card(folder).get("objective")
    if objective not in objectives.PACKAGES:
        raise AnamnesisError(
            f"{folder / CARD}: objective: found {objective!r}; allowed: {', '.join(objectives.PACKAGES)}"
        )
    return objectives.module(objective, "saved").load(folder)


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A text that can be asked of a model, and the options it takes with their usual values."""
    match card["objective"]:
        case "next-token":
            sampling = card["sampling"]
            return [sampling["prompt"]], {
                "length": sampling["length"],
                "temperature": sampling["temperature"],
                "top_k": sampling["top_k"] or 0,
                "greedy": False,
                "seed": 0,
            }
        case "word-number":
            return [EXAMPLES["word-number"]], {"length": card["length"]}
        case objective:
            return [EXAMPLES[objective]], {}


def answer(model: Any, texts: list[str], options: dict[str, Any]) -> list[str]:
    """One answer for each text.

    A next-token model goes on from it, and word numbers spell what follows; where the text has a blank, ____, the
    answer is the likeliest word; of a passage, it is the label.

    Args:
        options: as `example` has them; those left out have their usual values.

    Raises:
        AnamnesisError: a text is not what the model can answer.
    """
    _, usual = example(model.card)
    given = usual | options
    match model.card["objective"]:
        case "next-token":
            from anamnesis.language.generation import generate

            drawn: dict[str, Any] = {
                "temperature": float(given["temperature"]),
                "top_k": int(given["top_k"]) or None,
                "greedy": bool(given["greedy"]),
                "seed": int(given["seed"]),
                "noise": float(model.card["sampling"]["noise"]),
            }
            return ["".join(generate(model, text, int(given["length"]), **drawn)) for text in texts]
        case "cloze":
            from anamnesis.language.cloze.fill import fill

            return [fill(model, text, 1)[0][0] for text in texts]
        case "word-number":
            from anamnesis.language.numbers.network import continued

            return [continued(model, text, int(given["length"])) for text in texts]
        case _:
            labels = model.card["labels"]
            return [labels[row.argmax()] for row in model.probabilities(texts)]
