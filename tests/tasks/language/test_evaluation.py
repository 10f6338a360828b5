"""The files that the evaluation of a language model writes."""

import json

import toys as toy


def test_metrics_agree_with_the_history_and_samples_have_three_strategies(toys):
    _, metrics, predictions = toys.results("language-ngram")
    (row,) = toy.rows(toys.model("language-ngram") / "history.csv")
    for metric in ("perplexity", "bits_per_character"):
        assert metrics["valid"][metric] == float(row[f"valid_{metric}"])
    samples = json.loads((predictions / "samples.json").read_text())
    assert [sample["strategy"] for sample in samples] == ["greedy", "temperature 0.7", "top-k 10"]
    assert {path.name for path in predictions.iterdir()} == {"samples.json", "curve.csv"}


def test_a_network_also_has_its_number_of_context_tokens(toys):
    _, metrics, predictions = toys.results("language-gru")
    table = toy.rows(predictions / "context.csv")
    for split in ("valid", "test"):
        perplexities = {row["tokens"]: float(row["perplexity"]) for row in table if row["split"] == split}
        full, span = perplexities.pop(""), metrics[split]["context_tokens"]
        assert perplexities[str(span)] <= 1.02 * full
        assert span == 1 or perplexities[str(span // 2)] > 1.02 * full
