"""The answers of a served language model."""

from collections.abc import Callable
from typing import Any

from anamnesis.tasks.language import prediction
from anamnesis.tasks.language.model.generation import generate


def test_answers_are_continuations_by_the_given_options(baseline: Callable[..., Any]) -> None:
    model = baseline("words")
    options = {"length": 7, "seed": 3, "temperature": 0.5}
    expected = ["".join(generate(model, text, **options)) for text in ("the", "a")]
    assert prediction.answer(model, ["the", "a"], options) == expected
    greedy = "".join(generate(model, "the", model.card["sampling"]["length"], greedy=True))
    assert prediction.answer(model, ["the"], {"greedy": True}) == [greedy]
