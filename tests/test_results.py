"""docs/results.md holds the scores of metrics/, in its tables and in its text."""

import importlib.util
import json
from pathlib import Path

import pytest

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
