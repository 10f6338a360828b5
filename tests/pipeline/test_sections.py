"""The section `dependent` by the real stages: beginning with another model, and a cell of the user's own."""

import json
import re
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.pipeline
DOC = Path(__file__).parents[2] / "docs" / "your-own-cell.md"


@pytest.fixture(scope="module")
def extended(make):
    """The user's project with the document's own cell, its probe, and a fine-tuned model; everything has run."""
    project = make("extended")
    text = DOC.read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.S).group(1)
    (project.root / "cells" / "mgu.py").write_text(code, encoding="utf-8")
    own = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.S).group(1))["dependent"]

    def extend(content):
        lstm = content["experiments"]["mybook-lstm"]
        small = {
            "batches": lstm["batches"],
            "training": {"epochs": 1, "learning_rate": 0.004},
            "sampling": {"length": 9},
        }
        cell = own["sherlock-mgu"] | small | {"tokens": "mybook-characters"}
        probe = own["memory-mgu"] | {"tokens": "mybook-characters"}
        probe |= {"recall": {"lags": [2, 3], "seeds": 1, "steps": 4, "check": 2, "sequences": 9}}
        content["tokens"]["bench-characters"] = {"corpus": "bench", "kind": "characters"}
        tuned = {**lstm, **small, "tokens": "bench-characters", "needs": "models/mybook-lstm"}
        untouched = {key: value for key, value in tuned.items() if key not in ("batches", "training")}
        content["dependent"] = {
            "mybook-mgu": cell,
            "memory-mgu": probe,
            "bench-tuned": tuned,
            "bench-untouched": untouched,
        }

    project.edit(extend)
    project.said = project.anamnesis("repro", "-j", "2").stdout
    return project


def test_everything_is_ranked_and_the_best_is_registered(extended):
    for name in ("mybook-mgu", "memory-mgu", "bench-tuned", "bench-untouched"):
        assert (extended.root / "metrics" / f"{name}.json").is_file()
        assert name in extended.said
        assert name in (extended.root / "reports" / "index.html").read_text()
    models = json.loads((extended.root / "reports" / "registry.json").read_text())["models"]
    assert {entry["model"] for entry in models} == {"language-mybook", "language-bench"}


def test_a_fine_tuned_model_begins_with_the_weights_of_the_other(extended):
    start, tuned, untouched = (
        json.loads((extended.root / "models" / name / "model.json").read_text())
        for name in ("mybook-lstm", "bench-tuned", "bench-untouched")
    )
    assert tuned["needs"] == untouched["needs"] == "models/mybook-lstm"
    assert untouched["weights_sha256"] == start["weights_sha256"] != tuned["weights_sha256"]
    bits = {
        name: json.loads((extended.root / "metrics" / f"{name}.json").read_text())["valid"]["bits_per_character"]
        for name in ("bench-tuned", "bench-untouched")
    }
    assert bits["bench-tuned"] < bits["bench-untouched"]


def test_an_own_cell_generates_and_scores(extended):
    written = extended.anamnesis("generate", "mybook-mgu", "--prompt", "The ", "--length", "20").stdout
    assert len(written.rstrip("\n")) >= 20
    assert "perplexity" in extended.anamnesis("score", "mybook-mgu", "The class.").stdout


def test_only_what_needs_a_cell_or_a_model_runs_again(extended):
    assert extended.repro() == set()
    cell = extended.root / "cells" / "mgu.py"
    cell.write_text(cell.read_text().replace("uniform_(parameter, -1 /", "uniform_(parameter, -0.9 /"))
    last = {"compare", "register"}
    again = {f"{kind}-dependent@{name}" for kind in ("train", "evaluate") for name in ("mybook-mgu", "memory-mgu")}
    assert extended.repro() == again | last
    stages = yaml.safe_load((extended.root / "dvc.lock").read_text())["stages"]
    for name in ("bench-tuned", "bench-untouched"):
        assert "models/mybook-lstm" in {each["path"] for each in stages[f"train-dependent@{name}"]["deps"]}
    assert "cells/mgu.py" not in {each["path"] for each in stages["train@mybook-lstm"]["deps"]}
