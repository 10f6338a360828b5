"""docs/results.md holds the scores of metrics/ and the measurements on a GPU, in its tables and in its text."""

import importlib.util
import json
from pathlib import Path

import pytest

from anamnesis.yaml_file import read_yaml

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = importlib.util.spec_from_file_location("results", ROOT / "scripts" / "results.py")
assert SCRIPT
assert SCRIPT.loader
results = importlib.util.module_from_spec(SCRIPT)
SCRIPT.loader.exec_module(results)


def test_a_table_has_the_best_of_each_group_first_and_registered_experiments_bold() -> None:
    scores = {
        "a-copy": {"parameters": 0, "valid": {"bleu": 2.94}, "test": {"bleu": 3.06, "chrf": 25.44}},
        "a-lstm": {"parameters": 12345, "valid": {"bleu": 30.46}, "test": {"bleu": 31, "beam_below_greedy": 0.0057}},
        "b-lstm": {"parameters": 7, "valid": {"bleu": 50.0}, "test": {"bleu": 49.96}},
    }
    table = results.write_table("translation", [["a-copy", "a-lstm"], ["b-lstm"]], scores.__getitem__, {"a-lstm"})
    assert table.split("\n") == [
        "| experiment | weights | valid BLEU | test BLEU | test chrF | beam below greedy |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| **`a-lstm`** | 12,345 | 30.5 | 31.0 |  | 0.6 % |",
        "| `a-copy` | 0 | 2.9 | 3.1 | 25.4 |  |",
        "| `b-lstm` | 7 | 50.0 | 50.0 |  |  |",
    ]


def test_the_page_has_the_measured_scores() -> None:
    registry = ROOT / "reports" / "registry.json"
    if not registry.is_file():
        pytest.skip("there are no results here; `make repro` makes them")
    assert json.loads(registry.read_text(encoding="utf-8"))["models"]
    assert results.render(ROOT) == (ROOT / results.PAGE).read_text(encoding="utf-8")


def test_a_run_on_a_gpu_is_shown_with_its_machine() -> None:
    run = {
        "hardware": "a GPU",
        "software": "PyTorch 2",
        "date": "2026-01-02",
        "commit": "abc",
        "remarks": "Alone.",
        "tests": {"passed": 7, "failed": 1, "skipped": 2, "seconds": 30},
        "experiments": {
            "b-lstm": {
                "valid": {"bleu": 30.46},
                "test": {"bleu": 31, "perplexity": 3.5},
                "train_seconds": 1234.5,
                "evaluate_seconds": 9.6,
                "speed": {"target tokens": 4321.4},
            },
            "a-lstm": {"valid": {"accuracy": 0.5}, "test": {"accuracy": 0.25}, "train_seconds": 2},
        },
        "benchmarks": {"step": {"ours": "3 steps/s", "reference": "4 steps/s", "ratio": 0.75}},
        # Steps of 10 and of 8 ms after fixed costs of 0.5 and 0.1 s.
        "epochs": {"model": {"ours": [1.5, 6.5], "reference": [0.9, 4.9]}},
    }
    text = results.measured([run, {**run, "hardware": "another", "tests": None, "benchmarks": {}, "epochs": {}}])
    first, second = text.split("\n\n### another\n\n")
    assert [line for line in first.split("\n") if line and not set(line) <= set("|-: ")] == [
        "### a GPU",
        "PyTorch 2; 2026-01-02; the code of commit abc. Alone. Of the tests in `tests/gpu`, 7 passed, 1 failed, "
        "2 were skipped, in 30 seconds.",
        "| experiment | validation | test | training | evaluation | speed of the training |",
        "| `b-lstm` | BLEU 30.5 | BLEU 31.0, perplexity 3.500 | 1,234 s | 10 s | 4,321 target tokens/s |",
        "| `a-lstm` | accuracy 50.0 % | accuracy 25.0 % | 2 s |  |  |",
        "| benchmark | ours | reference | ratio |",
        "| step | 3 steps/s | 4 steps/s | 0.75 |",
        "| epoch of 100 and of 600 batches | ours | bare loop | a step of ours in the steady state | of the bare loop "
        "| ratio of speeds |",
        "| model | 1.50 s, 6.50 s | 0.90 s, 4.90 s | 10.00 ms | 8.00 ms | 0.80 |",
    ]
    assert second.startswith("PyTorch 2; 2026-01-02; the code of commit abc. Alone.\n\n| experiment")
    assert second.count("\n\n") == 1


def test_the_page_has_the_measurements_on_a_gpu() -> None:
    page, template = ((ROOT / path).read_text(encoding="utf-8") for path in (results.PAGE, results.TEMPLATE))
    section = template[template.index("\n## Measured on a GPU") :]
    assert page.endswith(
        section.replace("{{ measured }}", results.measured(read_yaml(ROOT / results.MEASURED)["runs"]))
    )
