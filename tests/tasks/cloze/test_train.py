"""The whole way of a cloze model: trained, killed and resumed, loaded, evaluated, its folder distrusted."""

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listener import Recorder
from pydantic import TypeAdapter, ValidationError

from anamnesis import models as saved
from anamnesis.data.stores.store import open_split, open_unknown, write
from anamnesis.data.tokenizers import tokenizer
from anamnesis.data.tokenizers.settings import Tokens
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.cloze.blanks import candidates, sentences
from anamnesis.tasks.cloze.evaluation import evaluate, scores
from anamnesis.tasks.cloze.saved import load
from anamnesis.tasks.cloze.settings import Experiment
from anamnesis.tasks.cloze.train import train

BIAS = "forwards.layers.0.bias_ih_l0"
UNIGRAM = {"model": {"architecture": "unigram"}, "training": None}


@pytest.fixture
def project(stores: Path, tmp_path: Path) -> Path:
    (tmp_path / "data").symlink_to(stores / "data")
    return tmp_path


def settings(direction: str = "both", **changes: Any) -> Experiment:
    content = {
        "task": "language",
        "objective": "cloze",
        "tokens": "words",
        "model": {"architecture": "rnn", "direction": direction, "hidden": 12, "dropout": 0.2, "softmax": "adaptive"},
        "batch": 24,
        "training": {"epochs": 3, "learning_rate": 0.01, "checkpoint_steps": 5},
        "sentences": 4,
    }
    return Experiment.model_validate({**content, **changes})


def test_killed_and_run_again_gives_the_same_bytes(project):
    whole = Recorder()
    train("whole", settings(), project, whole)

    def kill(epoch):
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    killed = Recorder(kill)
    with pytest.raises(SystemExit):
        train("killed", settings(), project, killed)
    assert killed.ended == "failed"
    assert not (project / "models" / "killed").exists()
    assert list((project / ".anamnesis" / "checkpoints" / "killed").iterdir())
    again = Recorder()
    train("killed", settings(), project, again)
    for name in ("weights.safetensors", "history.csv", "samples.txt", "tokenizer.json"):
        first, second = ((project / "models" / model / name).read_bytes() for model in ("whole", "killed"))
        assert (name, first == second) == (name, True)
    header = "epoch,learning_rate,train_perplexity,valid_perplexity,valid_accuracy"
    assert (project / "models" / "whole" / "history.csv").read_text().splitlines()[0] == header
    assert again.ended == load(project / "models" / "killed").card["fingerprint"]
    assert len(whole.samples) == 3
    assert "____" in whole.samples[0]


def test_the_metrics_are_those_of_the_best_epoch(project):
    train("both", settings(), project, Recorder())
    evaluate("both", settings(), project)
    metrics = json.loads((project / "metrics" / "both.json").read_text())
    assert metrics["board"] == "cloze"
    history = [
        [float(value) for value in row.split(",")]
        for row in (project / "models" / "both" / "history.csv").read_text().splitlines()[1:]
    ]
    best = min(history, key=lambda row: row[3])
    assert metrics["valid"]["perplexity"] == pytest.approx(best[3], rel=1e-4)
    assert metrics["valid"]["accuracy"] == pytest.approx(best[4], rel=1e-4)
    model = load(project / "models" / "both")
    assert metrics["parameters"] == sum(value.numel() for value in model.network.parameters())
    hidden = candidates(model.tokenizer)
    for split in ("valid", "test"):
        ids = open_split(project / "data" / "tokens" / "words", split)
        unknown = np.count_nonzero(open_unknown(project / "data" / "tokens" / "words", split))
        assert metrics[split]["unknown_blanks"] == unknown > 0
        assert metrics[split]["blanks"] == hidden[ids].sum() + unknown
    blanks = json.loads((project / "predictions" / "both" / "blanks.json").read_text())
    assert len(blanks) == 4
    curve = (project / "predictions" / "both" / "curve.csv").read_text().splitlines()
    assert curve[0].startswith("experiment,epoch,")
    assert len(curve) == 4


def test_training_learns_from_both_sides(project):
    found = {}
    training = {"epochs": 5, "learning_rate": 0.02}
    for direction in ("left", "both"):
        train(direction, settings(direction, training=training), project, Recorder())
        evaluate(direction, settings(direction, training=training), project)
        found[direction] = json.loads((project / "metrics" / f"{direction}.json").read_text())
    train("unigram", settings(**UNIGRAM), project, Recorder())
    evaluate("unigram", settings(**UNIGRAM), project)
    found["unigram"] = json.loads((project / "metrics" / "unigram.json").read_text())
    for split in ("valid", "test"):
        both, left, unigram = (found[name][split]["perplexity"] for name in ("both", "left", "unigram"))
        assert both < left < unigram


def test_the_floor_counts_the_words_of_the_training_split(project):
    train("unigram", settings(**UNIGRAM), project, Recorder())
    model = load(project / "models" / "unigram")
    store = project / "data" / "tokens" / "words"
    vocabulary = tokenizer.load(store / "tokenizer.json")
    ids, valid = (open_split(store, split).tolist() for split in ("train", "valid"))
    known = {token for token in range(3, len(vocabulary.tokens)) if any(map(str.isalnum, vocabulary.tokens[token]))}
    seen = [token for token in ids if token in known]
    nats = [-np.log(seen.count(token) / len(seen)) for token in valid if token in known]
    found = scores(model, sentences(np.array(valid), vocabulary))
    assert found["perplexity"] == pytest.approx(np.exp(np.mean(nats)), rel=1e-5)
    assert found["accuracy"] == pytest.approx(valid.count(max(known, key=seen.count)) / len(nats), rel=1e-5)
    assert model.card["parameters"] == len(known)


def unigram(project, stores, name, **changes):
    """The metrics of the unigram model on a store of the same text with other settings."""
    entry = TypeAdapter(Tokens).validate_python({"corpus": "manual", "kind": "words", **changes})
    sources = {split: stores / f"{split}.txt" for split in ("train", "valid", "test")}
    write(project / "data" / "tokens" / name, entry, sources)
    experiment = settings(**UNIGRAM, tokens=name)
    train(name, experiment, project, Recorder())
    evaluate(name, experiment, project)
    return json.loads((project / "metrics" / f"{name}.json").read_text())


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return tmp_path / "stores"


def test_a_small_vocabulary_does_not_flatter(empty, stores):
    kinds = ({}, {"minimum_count": 2}, {"limit": 200}, {"limit": 30}, {"limit": 15})
    found = [unigram(empty, stores, f"store{number}", **kind) for number, kind in enumerate(kinds)]
    assert all(metrics["question"] == found[0]["question"] for metrics in found)
    for split in ("valid", "test"):
        assert len({metrics[split]["blanks"] for metrics in found}) == 1
        perplexities = [metrics[split]["perplexity"] for metrics in found]
        assert perplexities == sorted(perplexities)
        assert perplexities[1] > 1.2 * perplexities[0]
        # The likeliest word is the same; where words are known, so are the five likeliest.
        assert len({metrics[split]["accuracy"] for metrics in found}) == 1
        assert len({metrics[split]["top5_accuracy"] for metrics in found[:4]}) == 1
    # Words in lower case are other targets.
    assert unigram(empty, stores, "lower", lower=True)["question"]["test"] != found[0]["question"]["test"]


@pytest.mark.parametrize("limit", [None, 60])
def test_unknown_words_are_spelled_as_the_definition_says(empty, stores, limit):
    metrics = unigram(empty, stores, "mine", limit=limit)
    text = {split: (stores / f"{split}.txt").read_text() for split in ("train", "valid")}
    learned = tokenizer.load(empty / "data" / "tokens" / "mine" / "tokenizer.json")

    def asked(split: str) -> list[str]:
        return [word for word in learned.words([text[split]]) if any(map(str.isalnum, word))]

    seen = Counter(asked("train"))
    known = {word: count for word, count in seen.items() if word in learned.tokens}
    missing = sum(seen.values()) - sum(known.values())
    rate = (missing + list(known.values()).count(1) + 0.5) / (sum(seen.values()) + 1)
    nats = []
    for word in asked("valid"):
        if word in known:
            nats.append(-np.log((1 - rate) * known[word] / sum(known.values())))
        else:
            nats.append(-np.log(rate) + (len(word) + 1) * np.log(len(set(text["train"])) + 2))
    unseen = sum(character not in text["train"] for character in text["valid"]) * np.log(0x110000)
    assert metrics["valid"]["perplexity"] == pytest.approx(np.exp((sum(nats) + unseen) / len(nats)), rel=1e-5)
    likeliest = max(known, key=known.__getitem__)
    hits = sum(word == likeliest for word in asked("valid"))
    assert metrics["valid"]["accuracy"] == pytest.approx(hits / len(nats), rel=1e-5)


def test_a_damaged_or_foreign_model_is_refused(project):
    once = {"epochs": 1, "learning_rate": 0.01}
    train("both", settings(training=once), project, Recorder())
    train("unigram", settings(**UNIGRAM), project, Recorder())
    with pytest.raises(AnamnesisError, match="other tokens"):
        evaluate("both", settings(tokens="characters"), project)
    with pytest.raises(AnamnesisError, match="found kind characters"):
        train("both", settings(tokens="characters"), project, Recorder())
    folder, floor = project / "models" / "both", project / "models" / "unigram"
    card, weights = saved.read(folder)
    more = {"tokenizer.json": (folder / "tokenizer.json").read_bytes()}
    other = {**weights, BIAS: weights[BIAS][1:]}
    for content, arrays, message in (
        (card, other, "not those of the network"),
        (card, {**weights, BIAS: weights[BIAS].astype(np.float64)}, "not those of the network"),
        ({**card, "model": {**card["model"], "hidden": 65536}}, weights, "not those of the network"),
        ({**card, "model": {**card["model"], "direction": "left"}}, weights, "not those of the network"),
        ({**card, "model": {"architecture": "fc"}}, weights, "not a model that fills blanks"),
        ({**card, "objective": "word-number"}, weights, "not a model that fills blanks"),
    ):
        saved.save(project / "forged", arrays, content, more)
        with pytest.raises(AnamnesisError, match=message):
            load(project / "forged")
    card, weights = saved.read(floor)
    counts = weights["counts"]
    for arrays in (
        {},
        {"counts": counts[1:]},
        {"counts": counts * 1.0},
        {"counts": counts - 1},
        {"counts": counts * 0},
    ):
        saved.save(project / "forged", arrays, card, more)
        with pytest.raises(AnamnesisError, match="the weights are not"):
            load(project / "forged")
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(AnamnesisError, match="weights"):
        load(folder)


def test_settings_that_do_not_go_together_are_refused():
    with pytest.raises(ValidationError, match="needs a `training` block"):
        settings(training=None)
    with pytest.raises(ValidationError, match="remove `training`"):
        settings(model={"architecture": "unigram"})
    with pytest.raises(ValidationError, match="'left' or 'both'"):
        settings(direction="right")
