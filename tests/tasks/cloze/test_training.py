"""A cloze model from training to evaluation: its scores, and the cost of unknown words by its definition."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listener import Recorder

from anamnesis import models
from anamnesis.data.stores.store import open_split, open_unknown
from anamnesis.data.tokenizers import tokenizer
from anamnesis.stages.evaluate import evaluate
from anamnesis.stages.train import train
from anamnesis.tasks.cloze.settings import Experiment

from .conftest import write_store


def settings(direction: str = "both") -> Experiment:
    return Experiment.model_validate(
        {
            "task": "cloze",
            "tokens": "words",
            "model": {"architecture": "rnn", "direction": direction, "hidden": 12, "softmax": "adaptive"},
            "batch": 24,
            "training": {"epochs": 4, "learning_rate": 0.02},
            "sentences": 4,
        }
    )


def unigram(tokens: str = "words") -> Experiment:
    return Experiment.model_validate({"task": "cloze", "tokens": tokens, "model": {"architecture": "unigram"}})


def score(name: str, experiment: Experiment, project: Path) -> dict[str, Any]:
    """The metrics of a newly trained model."""
    train(name, experiment, project, Recorder())
    evaluate(name, project)
    metrics: dict[str, Any] = json.loads((project / "metrics" / f"{name}.json").read_text())
    return metrics


def test_training_learns_from_both_sides_and_reports_the_scores(project: Path) -> None:
    watch = Recorder()
    train("both", settings(), project, watch)
    evaluate("both", project)
    both = json.loads((project / "metrics" / "both.json").read_text())
    left, counts = score("left", settings("left"), project), score("unigram", unigram(), project)
    for split in ("valid", "test"):
        assert both[split]["perplexity"] < left[split]["perplexity"] < counts[split]["perplexity"]
    assert both["question"] == left["question"] == counts["question"]
    best = min(watch.rows.values(), key=lambda row: row["valid_perplexity"])
    assert both["valid"]["perplexity"] == pytest.approx(best["valid_perplexity"], rel=1e-4)
    assert both["valid"]["accuracy"] == pytest.approx(best["valid_accuracy"], rel=1e-4)
    assert "____" in watch.samples[0]
    model, store = models.load(project / "models" / "both"), project / "data" / "tokens" / "words"
    for split in ("valid", "test"):
        unknown = np.count_nonzero(open_unknown(store, split))
        assert both[split]["unknown_blanks"] == unknown > 0
        assert both[split]["blanks"] == model.candidates[open_split(store, split)].sum() + unknown
    assert len(json.loads((project / "predictions" / "both" / "blanks.json").read_text())) == 4


def test_a_small_vocabulary_gains_nothing(project: Path) -> None:
    found = []
    for number, options in enumerate(({}, {"minimum_count": 2}, {"limit": 200}, {"limit": 30}, {"limit": 15})):
        write_store(project, f"store{number}", **options)
        found.append(score(f"store{number}", unigram(f"store{number}"), project))
    assert all(metrics["question"] == found[0]["question"] for metrics in found)
    for split in ("valid", "test"):
        assert len({metrics[split]["blanks"] for metrics in found}) == 1
        perplexities = [metrics[split]["perplexity"] for metrics in found]
        assert perplexities == sorted(perplexities)
        assert perplexities[1] > 1.2 * perplexities[0]
        # The most probable word is the same; where enough words are known, so are the five most probable.
        assert len({metrics[split]["accuracy"] for metrics in found}) == 1
        assert len({metrics[split]["top5_accuracy"] for metrics in found[:4]}) == 1
    # Words in lower case are other targets.
    write_store(project, "lower", lower=True)
    assert score("lower", unigram("lower"), project)["question"]["test"] != found[0]["question"]["test"]


@pytest.mark.parametrize("limit", [None, 60])
def test_unknown_words_are_spelled_as_the_definition_says(project: Path, limit: int | None) -> None:
    write_store(project, "mine", limit=limit)
    metrics = score("mine", unigram("mine"), project)
    text = {split: (project / f"{split}.txt").read_text() for split in ("train", "valid")}
    vocabulary: Any = tokenizer.load(project / "data" / "tokens" / "mine" / "tokenizer.json")

    def words(split: str) -> list[str]:
        return [word for word in vocabulary.words([text[split]]) if any(map(str.isalnum, word))]

    seen = Counter(words("train"))
    known = {word: count for word, count in seen.items() if word in vocabulary.tokens}
    assert metrics["parameters"] == len(known)
    missing = sum(seen.values()) - sum(known.values())
    rate = (missing + list(known.values()).count(1) + 0.5) / (sum(seen.values()) + 1)
    nats = []
    for word in words("valid"):
        if word in known:
            nats.append(-np.log((1 - rate) * known[word] / sum(known.values())))
        else:
            nats.append(-np.log(rate) + (len(word) + 1) * np.log(len(set(text["train"])) + 2))
    unseen = sum(character not in text["train"] for character in text["valid"]) * np.log(0x110000)
    assert metrics["valid"]["perplexity"] == pytest.approx(np.exp((sum(nats) + unseen) / len(nats)), rel=1e-5)
    top = max(known, key=known.__getitem__)
    hits = sum(word == top for word in words("valid"))
    assert metrics["valid"]["accuracy"] == pytest.approx(hits / len(nats), rel=1e-5)
