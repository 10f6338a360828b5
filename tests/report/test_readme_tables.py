"""The tables of the README hold the scores of metrics/."""

import importlib.util
import json
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SCRIPT = importlib.util.spec_from_file_location("readme_tables", REPOSITORY / "scripts" / "readme_tables.py")
tables = importlib.util.module_from_spec(SCRIPT)
SCRIPT.loader.exec_module(tables)

TEXT = """
| experiment | text |
|---|---|
| `a-lstm` | a book |

| English to Dutch | weights | valid BLEU | test chrF | beam below greedy |
|---|---:|---:|---:|---:|
| **`a-lstm`** | 1 | 0.0 | 0.0 | 0.0 % |
| `b-copy` | 0 | 2.9 | 25.4 |  |
"""


def test_scores_are_written_where_there_are_metrics(tmp_path):
    (tmp_path / "metrics").mkdir()
    metrics = {"parameters": 12345, "valid": {"bleu": 30.46}, "test": {"chrf": 58.149, "beam_below_greedy": 0.00573}}
    (tmp_path / "metrics" / "a-lstm.json").write_text(json.dumps(metrics))
    expected = TEXT.replace("| 1 | 0.0 | 0.0 | 0.0 % |", "| 12,345 | 30.5 | 58.1 | 0.6 % |")
    assert tables.update(TEXT, tmp_path) == expected
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "registry.json").write_text(json.dumps({"models": [{"experiment": "b-copy"}]}))
    moved = expected.replace("**`a-lstm`**", "`a-lstm`").replace("`b-copy`", "**`b-copy`**")
    assert tables.update(TEXT, tmp_path) == moved


def test_the_readme_says_what_was_measured():
    if not (REPOSITORY / "metrics").is_dir():
        pytest.skip("there are no results here; `make repro` makes them")
    text = (REPOSITORY / "README.md").read_text()
    assert tables.update(text, REPOSITORY) == text
