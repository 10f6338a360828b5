"""What a registered language model answers: by its objective, and by the options it was asked with."""

import json

import pytest

from anamnesis import models as saved
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language import serving
from anamnesis.tasks.language.generation import generate


def test_a_next_token_model_goes_on_from_each_text(trained):
    model = serving.load(trained("words"))
    texts, usual = serving.example(model.card)
    assert usual.keys() == {"length", "temperature", "top_k", "greedy", "seed"}
    assert texts == [model.card["sampling"]["prompt"]]
    options = {"length": 7, "seed": 3, "temperature": 0.5}
    expected = ["".join(generate(model, text, 7, seed=3, temperature=0.5)) for text in ("the", "a")]
    assert serving.answer(model, ["the", "a"], options) == expected
    assert serving.answer(model, ["the"], {"greedy": True}) == [
        "".join(generate(model, "the", model.card["sampling"]["length"], greedy=True))
    ]


def test_a_card_of_no_known_objective_is_refused(trained, tmp_path):
    card = json.loads((trained("words") / "model.json").read_text()) | {"objective": "chess"}
    saved.save(tmp_path, {}, {key: value for key, value in card.items() if key != "fingerprint"}, {})
    with pytest.raises(AnamnesisError, match="objective: found 'chess'; allowed: next-token, cloze, word-number"):
        serving.load(tmp_path)
