"""What a registered language model answers, whatever its objective: texts in, texts out."""

from pathlib import Path
from typing import Any

from anamnesis import deadline, serving
from anamnesis.errors import AnamnesisError
from anamnesis.models import CARD, read_card
from anamnesis.tasks.language import objectives

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
    if not isinstance(objective, str) or objective not in objectives.PACKAGES:
        raise AnamnesisError(
            f"{folder / CARD}: objective: found {objective!r}; allowed: {', '.join(objectives.PACKAGES)}"
        )
    return objectives.module(objective, "saved").load(folder)


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A text that can be asked of a model, and the options it takes with their usual values."""
    match card["objective"]:
        case "next-token":
            sampling = card["sampling"]
            options = {name: sampling[name] for name in ("length", "temperature")}
            options |= {"top_k": sampling["top_k"] or 0, "greedy": False, "seed": 0}
            return [sampling["prompt"]], serving.allowed_options(options)
        case "word-number":
            return [EXAMPLES["word-number"]], serving.allowed_options({"length": card["length"]})
        case objective:
            return [EXAMPLES[objective]], {"top": 0}


def answer(model: Any, texts: list[str], options: dict[str, Any]) -> list[str]:
    """One answer for each text.

    A next-token model continues the text, and an empty text begins a new one. The other models give an empty answer to
    an empty text: a model of word numbers writes the words that follow, a cloze model the likeliest word for the blank,
    ____, and a model of passages the label.

    Args:
        options: as `example` has them; those left out have their usual values. `top`: how many words or labels to give
            with their probabilities, as a JSON object; 0: the likeliest alone.

    Raises:
        AnamnesisError: a text is not one that the model can answer, or an option is not allowed.
    """
    given = serving.complete(options, example(model.card)[1])
    match model.card["objective"]:
        case "next-token":
            from anamnesis.tasks.language.generation import generate

            given["top_k"] = given["top_k"] or None
            noise = model.card["sampling"]["noise"]
            return ["".join(generate(model, text, noise=noise, **given)) for text in texts]
        case "cloze":
            from anamnesis.tasks.cloze.blanks import candidates
            from anamnesis.tasks.cloze.fill import fill

            words = int(candidates(model.tokenizer).sum())

            def answer_one(text: str) -> str:
                return serving.ranking(fill(model, text, min(given["top"], words) or 1), given["top"])

        case "word-number":
            from anamnesis.tasks.numbers.network import continued

            def answer_one(text: str) -> str:
                return continued(model, text, given["length"])

        case _:
            asked = serving.numbered(texts)
            found = model.classify(list(asked.values())) if asked else []
            rows = zip(asked, found, strict=True)
            return serving.place({number: serving.ranking(row, given["top"]) for number, row in rows}, texts)
    answers = {}
    for number, text in serving.numbered(texts).items():
        deadline.check()
        try:
            answers[number] = answer_one(text)
        except deadline.LimitError:
            raise
        except AnamnesisError as error:
            raise AnamnesisError(f"text {number}: {str(error).removeprefix('text: ')}") from None
    return serving.place(answers, texts)
