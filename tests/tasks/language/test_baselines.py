"""The counted models as experiments: what they write, and that they need neither PyTorch nor a trainer."""

import csv
import subprocess
import sys

import pytest

from anamnesis.data.stores.store import read_stats
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language import baselines, saved
from anamnesis.tasks.language.settings import Experiment


def history(folder):
    with open(folder / "history.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_uniform_has_the_perplexity_of_the_vocabulary(stores, trained, kind):
    folder = trained(kind, "uniform")
    (row,) = history(folder)
    predictable = read_stats(stores / "data" / "tokens" / kind)["vocabulary_size"] - (kind == "words")
    assert float(row["train_perplexity"]) == float(row["valid_perplexity"]) == predictable
    assert saved.load(folder).card["parameters"] == 0


def test_every_order_beats_uniform_and_orders_differ(trained):
    rows = [history(trained("characters", order=order))[0] for order in (1, 2, 3)]
    uniform = history(trained("characters", "uniform"))[0]
    scores = [float(row["valid_bits_per_character"]) for row in (uniform, *rows)]
    assert scores == sorted(scores, reverse=True)
    assert all(row["epoch"] == "0" for row in rows)


def test_the_sample_starts_with_the_prompt(stores, experiment):
    settings = experiment("words", sampling={"prompt": "The class", "length": 10})
    baselines.fit("sampled", settings, stores, "digest")
    heading, text = (stores / "models" / "sampled" / "samples.txt").read_text().split("\n", 1)
    assert heading == "== after counting =="
    assert text.startswith("The class")


def test_a_network_is_no_baseline(stores):
    settings = Experiment.model_validate(
        {
            "task": "language",
            "tokens": "words",
            "model": {"architecture": "gru", "hidden": 4},
            "training": {"epochs": 1, "learning_rate": 0.1},
        }
    )
    with pytest.raises(AnamnesisError, match="gru"):
        baselines.fit("gru", settings, stores, "digest")


def test_a_missing_store_is_named(tmp_path, experiment):
    with pytest.raises(AnamnesisError, match=r"stats\.json"):
        baselines.fit("lost", experiment("words"), tmp_path, "digest")


def test_counting_and_evaluating_import_no_heavy_library(trained):
    folder = trained("words")
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from anamnesis.tasks.language import baselines, evaluation, generation, saved, scoring\n"
        f"model = saved.load(Path({str(folder)!r}))\n"
        "scoring.score(model, ['The class.'])\n"
        "print([name for name in ('torch', 'pytorch_lightning', 'mlflow', 'pandas') if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
