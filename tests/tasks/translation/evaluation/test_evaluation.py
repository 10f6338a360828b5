"""The evaluation: every number again from the model and the texts."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toys
from listener import Recorder

from anamnesis import models
from anamnesis.data.stores.pairs import pair_texts
from anamnesis.stages.evaluate import evaluate
from anamnesis.stages.train import train
from anamnesis.tasks.translation.evaluation.attention import attention_map
from anamnesis.tasks.translation.evaluation.scores import BINS, bleu_by_length, corpus_scores, sentence_chrf
from anamnesis.tasks.translation.settings import Experiment


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def evaluated(project: Path, settings: Experiment) -> tuple[Any, dict[str, Any], Path]:
    """A trained model, its metrics, and its folder of predictions."""
    train("mine", settings, project, Recorder())
    evaluate("mine", project)
    metrics = json.loads((project / "metrics" / "mine.json").read_text())
    return models.load(project / "models" / "mine"), metrics, project / "predictions" / "mine"


def log_probability(model: Any, source: str, target: str) -> tuple[float, int]:
    """The log-probability of a translation, and its number of tokens."""
    read, written = model.source.encode(source).ids, model.target.encode(target).ids
    inputs = torch.tensor([model.target.start, *written[:-1]])
    with torch.no_grad():
        state, memory = model.network.encode(torch.tensor(read)[:, None], torch.tensor([len(read)]))
        readouts = model.network.decode(inputs[:, None], state, memory)[0]
        values = model.network.output(readouts[:, 0]).double().log_softmax(-1)
    return sum(float(values[time, token]) for time, token in enumerate(written)), len(written)


@pytest.mark.parametrize(("architecture", "tokens"), [("seq2seq", "subwords"), ("attention", "words")])
def test_scores_of_a_network(project: Path, architecture: str, tokens: str) -> None:
    changes = {"model": {"hidden": 16}, "training": {"epochs": 4, "learning_rate": 0.02}, "search": {"beam": 3}}
    settings = toys.settings(f"translation-{architecture}", tokens=tokens, batch=60, **changes)
    model, metrics, predictions = evaluated(project, settings)
    for split in ("valid", "test"):
        sources, references = pair_texts(project / "data" / "tokens" / tokens, split)
        best, greedy = ([each for [each] in model.translate(sources, beam)] for beam in (3, 1))
        expected = corpus_scores([each.text for each in best], references, "nl")
        assert metrics["signatures"] == expected.signatures
        values = [log_probability(model, *texts) for texts in zip(sources, references, strict=True)]
        nats = -sum(value for value, _ in values) / sum(count for _, count in values)
        differences = [one.score - other.score for one, other in zip(best, greedy, strict=True)]
        assert metrics[split] == {
            "bleu": expected.bleu,
            "chrf": expected.chrf,
            "perplexity": pytest.approx(math.exp(nats), rel=1e-4),
            "bleu_greedy": corpus_scores([each.text for each in greedy], references, "nl").bleu,
            "length_ratio": expected.length_ratio,
            "score_beam": pytest.approx(np.mean([each.score for each in best]), rel=1e-4),
            "score_greedy": pytest.approx(np.mean([each.score for each in greedy]), rel=1e-4),
            "beam_below_greedy": pytest.approx(np.mean([value < -1e-5 for value in differences]), rel=1e-4),
        }
    # The weights are those of the epoch with the best validation perplexity.
    history = rows_of(project / "models" / "mine" / "history.csv")
    best_epoch = min(float(row["valid_perplexity"]) for row in history)
    assert metrics["valid"]["perplexity"] == pytest.approx(best_epoch, rel=1e-4)

    table = rows_of(predictions / "translations.csv")
    chrf = sentence_chrf([each.text for each in best], references)
    for row, one, other, source, reference, value in zip(table, best, greedy, sources, references, chrf, strict=True):
        assert (row["source"], row["reference"]) == (source, reference)
        assert (row["translation"], row["greedy"]) == (one.text, other.text)
        found = [float(row[key]) for key in ("score", "greedy_score", "chrf")]
        assert found == pytest.approx([one.score, other.score, value], rel=1e-4)
    assert (predictions / "attention.json").exists() == (architecture == "attention")
    if architecture == "attention":
        shown = json.loads((predictions / "attention.json").read_text())
        # The first three sentences of each range of lengths.
        numbers = [
            number
            for low, high in ((4, 6), (7, 10), (11, 15))
            for number in [i for i, text in enumerate(sources) if low <= len(text.split()) <= high and best[i].text][:3]
        ]
        assert len(shown) == len(numbers) > 3
        for each, number in zip(shown, numbers, strict=True):
            expected_map = attention_map(model, sources[number], best[number])
            assert (each["source"], each["target"]) == (expected_map.source, expected_map.target)
            np.testing.assert_allclose(each["weights"], expected_map.weights, atol=1e-4)


def test_scores_of_a_baseline(project: Path) -> None:
    model, metrics, predictions = evaluated(project, toys.settings("translation-nearest", tokens="words"))
    for split in ("valid", "test"):
        sources, references = pair_texts(project / "data" / "tokens" / "words", split)
        texts = [each.text for [each] in model.translate(sources, 1)]
        expected = corpus_scores(texts, references, "nl")
        assert metrics[split] == {
            "bleu": expected.bleu, "chrf": expected.chrf, "length_ratio": expected.length_ratio
        }  # fmt: skip
    for row, text, source in zip(rows_of(predictions / "translations.csv"), texts, sources, strict=True):
        assert (row["source"], row["translation"]) == (source, text)
        assert (row["greedy"], row["score"], row["greedy_score"]) == ("", "", "")
    lengths = rows_of(predictions / "lengths.csv")
    assert [(int(row["low"]), int(row["high"]) if row["high"] else None) for row in lengths] == list(BINS)
    for row, each in zip(lengths, bleu_by_length(sources, texts, references, ("en", "nl")), strict=True):
        assert int(row["sentences"]) == each.sentences
        assert row["bleu"] == ("" if each.bleu is None else f"{each.bleu}")
