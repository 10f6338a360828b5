"""What a registered classifier of documents answers: a text in, its label out."""

from typing import Any

from anamnesis import deadline, serving
from anamnesis.tasks.classification import saved

load = saved.load


def example(card: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """A text that can be asked of a model, and the options it takes with their usual values."""
    return ["oil prices rose after the ministers agreed to pump less crude"], {"top": 0}


def answer(model: Any, texts: list[str], options: dict[str, Any]) -> list[str]:
    """The likeliest label of each text; a text without a word has an empty one.

    Args:
        options: `top`, how many labels to give with their probabilities, as a JSON object; 0: the likeliest label
            alone.

    Raises:
        AnamnesisError: an option is not allowed.
    """
    top = serving.complete(options, example(model.card)[1])["top"]
    documents = {}
    for number, text in enumerate(texts, start=1):
        deadline.check()
        if len(ids := model.tokenizer.encode_document(text).ids):
            documents[number] = ids
    if not documents:
        return serving.place({}, texts)
    found = model.ranked(model.of_ids(list(documents.values())))
    return serving.place(
        {number: serving.ranking(row, top) for number, row in zip(documents, found, strict=True)}, texts
    )
