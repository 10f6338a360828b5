"""`anamnesis list` and `anamnesis show`: tables in a pipe, from any folder of the project."""

import json
import math

import pytest
from shell import anamnesis
from toy_text import TEXT


@pytest.mark.parametrize("folder", [".", "data/raw"])
def test_list_is_a_plain_table_when_piped(root, folder):
    done = anamnesis(root / folder, "list")
    assert done.returncode == 0, done.stderr
    header, *rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert header == ["experiment", "board", "tokens", "architecture", "status", "ranked by", "test score"]
    ranked = "bits per character"
    assert rows[0][:6] == ["hello-uniform", "language", "hello-characters", "uniform", "evaluated", ranked]
    # h, e, l, o, j, space, line end and <unk>: a uniform model's perplexity is the size of the vocabulary. Of the
    # text's characters all but the first are predicted.
    assert float(rows[0][6]) == pytest.approx(math.log2(8) * (len(TEXT) - 1) / len(TEXT), rel=1e-4)
    assert rows[1] == ["hello-ngram3", "language", "hello-characters", "ngram", "-", ranked, ""]


def test_show_has_settings_model_scores_and_samples(root):
    done = anamnesis(root, "show", "hello-uniform")
    assert done.returncode == 0, done.stderr
    card = json.loads((root / "models" / "hello-uniform" / "model.json").read_text())
    samples = json.loads((root / "predictions" / "hello-uniform" / "samples.json").read_text())
    assert "architecture: uniform" in done.stdout
    assert f"fingerprint: {card['fingerprint']}" in done.stdout
    assert "perplexity\t8\t8\n" in done.stdout
    assert samples[-1]["strategy"] in done.stdout
    assert samples[-1]["text"] in done.stdout


def test_show_of_what_is_not_trained_says_how_to_train_it(root):
    done = anamnesis(root, "show", "hello-ngram3")
    assert done.returncode == 0
    assert done.stdout.endswith("not trained yet: anamnesis repro hello-ngram3\n")


def test_list_and_show_know_translations(pairs):
    _, *rows = [line.split("\t") for line in anamnesis(pairs, "list").stdout.splitlines()]
    metrics = json.loads((pairs / "metrics" / "toy-nearest.json").read_text())
    assert rows[1] == ["toy-nearest", "translation", "toy-words", "nearest", "evaluated", "bleu", "100"]
    assert metrics["test"]["bleu"] == pytest.approx(100)
    shown = anamnesis(pairs, "show", "toy-nearest").stdout
    assert "\n> A dog sleeps.\n= Een hond slaapt.\n< Een hond slaapt.\n" in shown
    assert "\nbleu\t100\t100\n" in shown
