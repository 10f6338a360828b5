"""What the evaluation writes, every number again from the model and the texts."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from listener import Recorder

from anamnesis.data.stores.store import pair_texts, read_stats
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation import saved
from anamnesis.tasks.translation.evaluation import evaluate
from anamnesis.tasks.translation.scores import BINS, bleu_by_length, corpus_scores, sentence_chrf
from anamnesis.tasks.translation.settings import Experiment
from anamnesis.tasks.translation.train import train
from anamnesis.tasks.translation.translator import NetworkTranslator

Make = Callable[..., Experiment]
HEAD = {
    "experiment", "task", "board", "corpus", "tokens", "architecture", "parameters", "fingerprint", "data",
    "vocabulary_size", "question", "signatures", "valid", "test",
}  # fmt: skip
EPOCHS = {"epochs": 4, "learning_rate": 0.02}


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def evaluated(project: Path, settings: Experiment) -> tuple[Any, dict[str, Any], Path]:
    """The model, its metrics, and where its predictions are."""
    train("mine", settings, project, Recorder())
    evaluate("mine", settings, project)
    metrics = json.loads((project / "metrics" / "mine.json").read_text())
    return saved.load(project / "models" / "mine"), metrics, project / "predictions" / "mine"


def log_probability(model: NetworkTranslator, source: str, target: str) -> tuple[float, int]:
    """Of a translation alone; and how many tokens it has."""
    read, written = model.source.encode(source), model.target.encode(target)
    inputs = torch.tensor([model.target.start, *written[:-1]])
    with torch.no_grad():
        state, memory = model.network.encode(torch.tensor(read)[:, None], torch.tensor([len(read)]))
        readouts = model.network.decode(inputs[:, None], state, memory)[0]
        values = model.network.output(readouts[:, 0]).double().log_softmax(-1)
    return sum(float(values[time, token]) for time, token in enumerate(written)), len(written)


@pytest.mark.parametrize(("architecture", "tokens"), [("seq2seq", "subwords"), ("attention", "words")])
def test_a_network_is_scored(project: Path, experiment: Make, architecture: str, tokens: str) -> None:
    settings = experiment(architecture, tokens=tokens, training=EPOCHS, model={"hidden": 16, "label_smoothing": 0.1})
    model, metrics, predictions = evaluated(project, settings)
    store = project / "data" / "tokens" / tokens
    assert set(metrics) == HEAD
    assert (metrics["task"], metrics["board"], metrics["tokens"]) == ("translation", "translation", tokens)
    assert (metrics["experiment"], metrics["architecture"]) == ("mine", architecture)
    assert metrics["fingerprint"] == model.card["fingerprint"]
    assert metrics["parameters"] == sum(value.numel() for value in model.network.parameters())
    stats = read_stats(store)["splits"]
    assert metrics["data"] == {split: stats[split]["text_sha256"] for split in ("valid", "test")}
    for split in ("valid", "test"):
        found = metrics[split]
        sources, references = pair_texts(store, split)
        best = [each for [each] in model.translate(sources, 3)]
        plain = [each for [each] in model.translate(sources, 1)]
        expected = corpus_scores([each.text for each in best], references, "nl")
        assert metrics["signatures"] == expected.signatures
        both = [log_probability(model, *texts) for texts in zip(sources, references, strict=True)]
        nats = -sum(value for value, _ in both) / sum(count for _, count in both)
        differences = [one.score - other.score for one, other in zip(best, plain, strict=True)]
        assert found == {
            "bleu": expected.bleu,
            "chrf": expected.chrf,
            "perplexity": pytest.approx(math.exp(nats), rel=1e-4),
            "bleu_greedy": corpus_scores([each.text for each in plain], references, "nl").bleu,
            "length_ratio": expected.length_ratio,
            "score_beam": pytest.approx(np.mean([each.score for each in best]), rel=1e-4),
            "score_greedy": pytest.approx(np.mean([each.score for each in plain]), rel=1e-4),
            "beam_below_greedy": pytest.approx(np.mean([value < -1e-6 for value in differences]), rel=1e-4),
        }
    # The weights are those of the epoch with the best perplexity on the validation split.
    history = rows_of(project / "models" / "mine" / "history.csv")
    best_epoch = min(float(row["valid_perplexity"]) for row in history)
    assert metrics["valid"]["perplexity"] == pytest.approx(best_epoch, rel=1e-4)

    table = rows_of(predictions / "translations.csv")
    assert list(table[0]) == ["source", "reference", "translation", "greedy", "score", "greedy_score", "chrf"]
    chrf = sentence_chrf([each.text for each in best], references)
    for row, one, other, source, reference, value in zip(table, best, plain, sources, references, chrf, strict=True):
        assert (row["source"], row["reference"]) == (source, reference)
        assert (row["translation"], row["greedy"]) == (one.text, other.text)
        assert float(row["score"]) == pytest.approx(one.score, rel=1e-4)
        assert float(row["greedy_score"]) == pytest.approx(other.score, rel=1e-4)
        assert float(row["chrf"]) == pytest.approx(value, rel=1e-5)
    curve = rows_of(predictions / "curve.csv")
    assert [{"experiment": "mine", **row} for row in history] == curve

    files = {"translations.csv", "lengths.csv", "curve.csv"}
    if architecture == "seq2seq":
        assert {path.name for path in predictions.iterdir()} == files
        return
    assert {path.name for path in predictions.iterdir()} == {*files, "attention.json"}
    shown = json.loads((predictions / "attention.json").read_text())
    # Three of each bin of lengths that has a picture's room, in the order of the corpus.
    numbers = [
        number
        for low, high in ((4, 6), (7, 10), (11, 15))
        for number in [i for i, text in enumerate(sources) if low <= len(text.split()) <= high and best[i].text][:3]
    ]
    assert len(shown) == len(numbers) > 3
    for each, number in zip(shown, numbers, strict=True):
        spelled, attended = model.attended(sources[number], best[number])
        assert each["source"] == spelled
        assert each["target"] == best[number].tokens
        np.testing.assert_allclose(each["weights"], attended.attention, atol=1e-4)


@pytest.mark.parametrize("architecture", ["copy", "nearest"])
def test_a_floor_is_scored(project: Path, experiment: Make, architecture: str) -> None:
    model, metrics, predictions = evaluated(project, experiment(architecture))
    assert set(metrics) == HEAD
    assert metrics["parameters"] == 0
    for split in ("valid", "test"):
        sources, references = pair_texts(project / "data" / "tokens" / "words", split)
        texts = sources if architecture == "copy" else [each.text for [each] in model.translate(sources, 1)]
        expected = corpus_scores(texts, references, "nl")
        assert metrics[split] == {
            "bleu": expected.bleu,
            "chrf": expected.chrf,
            "length_ratio": expected.length_ratio,
        }
    assert {path.name for path in predictions.iterdir()} == {"translations.csv", "lengths.csv"}
    for row, text, source in zip(rows_of(predictions / "translations.csv"), texts, sources, strict=True):
        assert (row["source"], row["translation"]) == (source, text)
        assert (row["greedy"], row["score"], row["greedy_score"]) == ("", "", "")
    lengths = rows_of(predictions / "lengths.csv")
    assert [(int(row["low"]), int(row["high"]) if row["high"] else None) for row in lengths] == list(BINS)
    for row, each in zip(lengths, bleu_by_length(sources, texts, references, ("en", "nl")), strict=True):
        assert int(row["sentences"]) == each.sentences
        assert row["bleu"] == "" if each.bleu is None else float(row["bleu"]) == each.bleu


def test_a_second_evaluation_writes_the_same_bytes(project: Path, experiment: Make) -> None:
    settings = experiment(training={"epochs": 1, "learning_rate": 0.01})
    _, _, predictions = evaluated(project, settings)
    paths = [*predictions.iterdir(), project / "metrics" / "mine.json"]
    before = [path.read_bytes() for path in paths]
    evaluate("mine", settings, project)
    assert [path.read_bytes() for path in paths] == before


@pytest.mark.parametrize("architecture", ["copy", "attention"])
def test_a_model_of_other_tokens_is_refused(project: Path, experiment: Make, architecture: str) -> None:
    once = {"training": {"epochs": 1, "learning_rate": 0.01}} if architecture == "attention" else {}
    train("mine", experiment(architecture, **once), project, Recorder())
    with pytest.raises(AnamnesisError, match=r"trained on other tokens than .* run `anamnesis repro mine`$") as caught:
        evaluate("mine", experiment(architecture, tokens="subwords", **once), project)
    assert "\n" not in str(caught.value)
    assert not (project / "metrics").exists()
