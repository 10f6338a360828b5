"""Training a translator: its samples, tied weights, and a small task that is learned completely."""

import random

import pytest
import toys as toy
from listener import Recorder

from anamnesis import models
from anamnesis.data.stores.pairs import pair_texts
from anamnesis.tasks.translation.evaluation.attention import attention_map
from anamnesis.tasks.translation.settings import Experiment

from .conftest import ATTENTIVE, NETWORKS, write_store

DIGITS = {"one": "een", "two": "twee", "three": "drie", "four": "vier", "five": "vijf", "six": "zes", "seven": "zeven"}


def test_samples_are_translations_of_validation_sentences_and_tied_weights_are_one(tmp_path):
    watch, pairs = Recorder(), [(f"a cat {number}", f"a kat {number}") for number in range(30)]
    write_store(tmp_path, "pairs", pairs, kind="subword-pairs", size=280)
    experiment = toy.settings("translation-attention", model={"tied": "all"})
    model = models.load(toy.train("mine", tmp_path, watch, experiment))
    assert len(watch.samples) == 2
    shown = watch.samples[-1].splitlines()
    sources, references = (texts[:5] for texts in pair_texts(tmp_path / "data" / "tokens" / "pairs", "valid"))
    assert shown[::3] == [f"> {text}" for text in sources]
    assert shown[1::3] == [f"= {text}" for text in references]
    assert all(line.startswith("< ") for line in shown[2::3])
    assert model.network.output.weight is model.network.source_embedding.weight


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lstm-2-reversed", "subword-pairs"),
        ("additive-gru-1", "word-pairs"),
    ],
)
def test_reversed_sentences_are_learned_completely(tmp_path, name, kind):
    chance = random.Random(4)
    pairs = []
    for _ in range(20):
        words = chance.choices(list(DIGITS), k=chance.randint(1, 4))
        pairs.append((" ".join(words), " ".join(DIGITS[word] for word in reversed(words))))
    entry = {"size": 300} if kind == "subword-pairs" else {}
    write_store(tmp_path, "words", pairs, kind=kind, **entry)
    content = {
        "task": "translation",
        "tokens": "words",
        "model": {**NETWORKS[name], "hidden": 48},
        "training": {"epochs": 50, "learning_rate": 0.01, "checkpoint_steps": 1000},
        "batch": 40,
    }
    model = models.load(toy.train("mine", tmp_path, experiment=Experiment.model_validate(content)))
    sources, targets = (list(texts) for texts in zip(*pairs, strict=True))
    for beam in (1, 4):
        found = [best[0].text for best in model.translate(sources, beam)]
        assert sum(one == target for one, target in zip(found, targets, strict=True)) >= 19
    if name in ATTENTIVE:
        # The largest weight is usually on the word that is translated.
        hits = []
        for source, best in zip(sources, model.translate(sources, 4), strict=True):
            attention = attention_map(model, source, best[0])
            for token, row in zip(attention.target[:-1], attention.weights, strict=False):
                hits.append(DIGITS.get(attention.source[int(row.argmax())]) == token)
        assert sum(hits) / len(hits) > 0.6
