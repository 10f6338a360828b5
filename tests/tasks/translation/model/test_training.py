"""Training a translator: the files of a model, its samples, and a small task that is learned completely."""

import random
from pathlib import Path

import pytest
import toys
from listener import Recorder

from anamnesis import models
from anamnesis.data.stores.pairs import pair_texts
from anamnesis.stages.train import train
from anamnesis.tasks.translation.evaluation.attention import attention_map
from anamnesis.tasks.translation.settings import Experiment

from ..conftest import ATTENTIVE, NETWORKS, write_store

DIGITS = {"one": "een", "two": "twee", "three": "drie", "four": "vier", "five": "vijf", "six": "zes", "seven": "zeven"}


def test_history_and_samples(project: Path, stores: Path) -> None:
    watch = Recorder()
    changes = {"model": {"tied": "all"}, "training": {"epochs": 3}}
    train("mine", toys.settings("translation-attention", tokens="subwords", **changes), project, watch)
    folder = project / "models" / "mine"
    assert {path.name for path in folder.iterdir()} == {
        "model.json", "weights.safetensors", "history.csv", "samples.txt", "source_tokenizer.json",
        "target_tokenizer.json",
    }  # fmt: skip
    header, *rows = (folder / "history.csv").read_text().splitlines()
    assert header == "epoch,learning_rate,train_perplexity,valid_perplexity"
    assert len(rows) == len(watch.samples) == 3
    shown = watch.samples[-1].splitlines()
    sources, references = (texts[:5] for texts in pair_texts(stores / "subwords", "valid"))
    assert shown[::3] == [f"> {text}" for text in sources]
    assert shown[1::3] == [f"= {text}" for text in references]
    assert all(line.startswith("< ") for line in shown[2::3])
    model = models.load(folder)
    assert model.network.output.weight is model.network.source_embedding.weight


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lstm-2-reversed", "word-pairs"),
        ("additive-gru-1", "subword-pairs"),
        ("additive-gru-1", "word-pairs"),
        ("multiplicative-rnn-1-feeding", "word-pairs"),
    ],
)
def test_reversed_sentences_are_learned_completely(tmp_path: Path, name: str, kind: str) -> None:
    chance = random.Random(4)
    pairs = []
    for _ in range(20):
        words = chance.choices(list(DIGITS), k=chance.randint(1, 4))
        pairs.append((" ".join(words), " ".join(DIGITS[word] for word in reversed(words))))
    entry = {"size": 300} if kind == "subword-pairs" else {}
    write_store(tmp_path, "words", {"train": pairs, "valid": pairs, "test": pairs}, kind=kind, **entry)
    content = {
        "task": "translation",
        "tokens": "words",
        "model": {**NETWORKS[name], "hidden": 48},
        "training": {"epochs": 50, "learning_rate": 0.01, "checkpoint_steps": 1000},
        "batch": 40,
    }
    train("mine", Experiment.model_validate(content), tmp_path, Recorder())
    model = models.load(tmp_path / "models" / "mine")
    sources, targets = (list(texts) for texts in zip(*pairs, strict=True))
    for beam in (1, 4):
        found = [best[0].text for best in model.translate(sources, beam)]
        assert sum(one == target for one, target in zip(found, targets, strict=True)) >= 19
    if kind == "word-pairs" and name in ATTENTIVE:
        # The largest weight is usually on the word that is translated.
        hits = []
        for source, best in zip(sources, model.translate(sources, 4), strict=True):
            attention = attention_map(model, source, best[0])
            for token, row in zip(attention.target[:-1], attention.weights, strict=False):
                hits.append(DIGITS.get(attention.source[int(row.argmax())]) == token)
        assert sum(hits) / len(hits) > 0.6
