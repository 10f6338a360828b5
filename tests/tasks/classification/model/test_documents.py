"""Passages are read without their layout, in the tokens of the model."""

from collections.abc import Callable
from pathlib import Path

from anamnesis.data.tokenizers import tokenizer
from anamnesis.tasks.classification.model.documents import encode, open_split
from anamnesis.tasks.classification.settings import Experiment

from ..conftest import passages

Make = Callable[..., Experiment]


def valid_texts() -> list[str]:
    """The validation passages without layout, with U+FFFD for characters that the training split does not have."""
    alphabet = {letter for _, text in passages()["train"] for letter in text}
    known = ["".join(each if each in alphabet else "\ufffd" for each in text) for _, text in passages()["valid"]]
    return [" ".join(text.split()) for text in known]


def test_layout_is_removed_before_a_model_reads_a_passage(stores: Path, experiment: Make) -> None:
    settings = experiment("histogram").model
    store = stores / "data" / "tokens" / "letters"
    letters = tokenizer.load(store / "tokenizer.json")
    ids = encode(settings, letters, "  It is\r\n\ta\u00a0truth\n\n in general ")
    assert letters.decode(ids) == "It is a truth in general"
    valid = open_split(store, "valid", settings, letters)
    texts = [valid.text(number, letters) for number in range(len(valid))]
    assert texts == valid_texts()
    assert texts[-1] == "an unknown \ufffd here"
    assert valid.labels.tolist() == [int(label == "plain") for label, _ in passages()["valid"]]


def test_a_language_model_reads_its_own_tokens_of_the_first_characters(stores: Path, experiment: Make) -> None:
    settings = experiment("language-model", model={"longest": 9}).model
    own = tokenizer.load(stores / "models" / "start" / "tokenizer.json")
    valid = open_split(stores / "data" / "tokens" / "letters", "valid", settings, own)
    for number, text in enumerate(valid_texts()):
        assert valid[number].tolist() == own.encode(text[:9]).tolist()
