"""The section `dependent` with the real stages: fine-tuning a model, and a cell of the user's own."""

import re
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.pipeline
DOC = Path(__file__).parents[2] / "docs" / "your-own-cell.md"


@pytest.fixture(scope="module")
def extended(make):
    """The user's project with the document's cell and memory experiment and a fine-tuned model; everything has run."""
    project = make("extended")
    text = DOC.read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.S).group(1)
    (project.root / "cells" / "mgu.py").write_text(code, encoding="utf-8")
    own = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.S).group(1))["dependent"]

    def extend(content):
        lstm = content["experiments"]["mybook-lstm"]
        budget = {"batches": lstm["batches"], "training": {"epochs": 1, "learning_rate": 0.004}}
        recall = {"lags": [2, 3], "seeds": 1, "steps": 4, "check": 2, "sequences": 9}
        content["tokens"]["bench-characters"] = {"corpus": "bench", "kind": "characters"}
        untouched = {key: value for key, value in lstm.items() if key not in budget}
        untouched |= {"sampling": {"length": 9}, "tokens": "bench-characters", "needs": "models/mybook-lstm"}
        content["dependent"] = {
            "mybook-mgu": own["sherlock-mgu"] | budget | {"sampling": {"length": 9}, "tokens": "mybook-characters"},
            "memory-mgu": own["memory-mgu"] | {"tokens": "mybook-characters", "recall": recall},
            "bench-tuned": untouched | budget,
            "bench-untouched": untouched,
        }

    project.edit(extend)
    project.printed = project.anamnesis("repro", "-j", "2").stdout
    return project


def test_everything_is_ranked_and_the_best_is_registered(extended):
    for name in ("mybook-mgu", "memory-mgu", "bench-tuned", "bench-untouched"):
        assert (extended.root / "metrics" / f"{name}.json").is_file()
        assert name in extended.printed
        assert name in (extended.root / "reports" / "index.html").read_text()
    models = extended.read("reports/registry.json")["models"]
    assert {entry["model"] for entry in models} == {"language-mybook", "language-bench"}


def test_a_fine_tuned_model_starts_with_the_weights_of_the_other(extended):
    names = ("mybook-lstm", "bench-tuned", "bench-untouched")
    start, tuned, untouched = (extended.read(f"models/{name}/model.json") for name in names)
    assert tuned["needs"] == untouched["needs"] == "models/mybook-lstm"
    assert untouched["weights_sha256"] == start["weights_sha256"] != tuned["weights_sha256"]
    bits = [extended.read(f"metrics/{name}.json")["valid"]["bits_per_character"] for name in names[1:]]
    assert bits[0] < bits[1]


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
