"""The files that the evaluation of a language model writes."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from listener import Recorder

from anamnesis.stages.evaluate import evaluate
from anamnesis.stages.train import train
from anamnesis.tasks.language.settings import Experiment


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_metrics_agree_with_the_history_and_samples_have_three_strategies(
    stores: Path, baseline: Callable[..., Any]
) -> None:
    name = baseline("words", order=2).card["experiment"]
    evaluate(name, stores)
    metrics = json.loads((stores / "metrics" / f"{name}.json").read_text())
    (row,) = rows(stores / "models" / name / "history.csv")
    for metric in ("perplexity", "bits_per_character"):
        assert metrics["valid"][metric] == float(row[f"valid_{metric}"])
    scores = {"perplexity", "bits_per_character", "accuracy", "top5_accuracy", "targets", "shuffle_preference"}
    assert metrics["valid"].keys() == metrics["test"].keys() == scores
    samples = json.loads((stores / "predictions" / name / "samples.json").read_text())
    assert [sample["strategy"] for sample in samples] == ["greedy", "temperature 0.7", "top-k 10"]
    assert {path.name for path in (stores / "predictions" / name).iterdir()} == {"samples.json", "curve.csv"}


def test_a_network_also_has_its_number_of_context_tokens(stores: Path) -> None:
    content = {
        "task": "language",
        "tokens": "characters",
        "model": {"architecture": "gru", "hidden": 8},
        "training": {"epochs": 1, "learning_rate": 0.01},
        "sampling": {"length": 5},
    }
    train("network", Experiment.model_validate(content), stores, Recorder())
    evaluate("network", stores)
    metrics = json.loads((stores / "metrics" / "network.json").read_text())
    table = rows(stores / "predictions" / "network" / "context.csv")
    for split in ("valid", "test"):
        perplexities = {row["tokens"]: float(row["perplexity"]) for row in table if row["split"] == split}
        full, span = perplexities.pop(""), metrics[split]["context_tokens"]
        assert perplexities[str(span)] <= 1.02 * full
        assert span == 1 or perplexities[str(span // 2)] > 1.02 * full
