"""Who remembers what: the figures at the head of the page hold what the evaluations measured."""

import csv
import json
import math
import shutil

import pytest

from anamnesis.report import leaderboard, page
from anamnesis.report import memory as figures


@pytest.fixture(scope="module")
def head(boards):
    return figures.memory(boards, leaderboard.table(boards))


def read(boards, experiment, name):
    with open(boards / "predictions" / experiment / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_spans_are_the_medians_and_extremes_over_seeds(boards, head):
    values = head.spans["data"]["values"]
    assert len(values) == 2 * 6
    for value in values:
        scores = json.loads((boards / "metrics" / f"{value['experiment']}.json").read_text())["test"]
        metric = f"memory_span_{value['probe']}"
        assert [value["median"], value["low"], value["high"]] == [
            scores[metric],
            scores[f"{metric}_low"],
            scores[f"{metric}_high"],
        ]
    assert (head.seeds, head.longest) == ("3", 160)


def test_a_span_of_none_is_drawn_left_of_the_shortest_lag_and_the_longest_is_a_bound(head):
    values = {(value["experiment"], value["probe"]): value for value in head.spans["data"]["values"]}
    assert values["memory-rnn-relu", "adding"]["at"] < 5
    assert values["memory-rnn-relu", "adding"]["label"] == "0"
    assert values["memory-lstm", "copy"]["label"] == "≥160"


def test_the_order_names_ties(head):
    assert head.order == "lstm 160 > gru 120 > irnn 30 = scrn 30 > rnn 7.5 > rnn-relu 0"


def test_the_table_of_spans_states_the_spread(head, boards):
    spread = {each.cell: each for each in head.spread}
    assert spread["scrn"].probes == {"copy": "40 (20 to 40)", "adding": "20 (10 to 40)"}
    assert spread["scrn"].mean == "30"
    text = (boards / "reports" / "index.html").read_text()
    for each in head.spread:
        cells = "".join(f'<td class="number">{cell}</td>' for cell in (*each.probes.values(), each.mean))
        assert f'<th scope="row">{each.cell}</th>{cells}' in text


def test_gradients_are_those_of_the_evaluation(boards, head):
    points = head.gradients.spec["layer"][0]["data"]["values"]
    for experiment, _ in head.gradients.legend:
        drawn = [(p["when"], p["distance"], p["norm"]) for p in points if p["experiment"] == experiment]
        rows = read(boards, experiment, "gradients.csv")
        assert drawn == [(row["when"], float(row["distance"]), float(row["norm"])) for row in rows]


@pytest.mark.parametrize(
    ("factor", "text"),
    [(0.5, "0.500 (½ in 1 steps)"), (2.0, "2.000 (×2 in 1 steps)"), (0.5**0.1, "0.933 (½ in 10 steps)"), (1.0, "1")],
)
def test_decay_is_told_in_steps_to_half(factor, text):
    assert figures.decay(factor) == text


def test_contexts_are_relative_to_all_of_the_text_and_ringed_where_used(boards, head):
    assert {figure.title for figure in head.contexts} == {"characters", "words", "bigrams"}
    for figure in head.contexts:
        points, rings = (figure.spec["layer"][index]["data"]["values"] for index in (0, -1))
        for experiment, _ in figure.legend:
            rows = [row for row in read(boards, experiment, "context.csv") if row["split"] == "test"]
            full = next(float(row["perplexity"]) for row in rows if not row["tokens"])
            assert {p["tokens"]: p["ratio"] for p in points if p["experiment"] == experiment} == pytest.approx(
                {float(row["tokens"]): float(row["perplexity"]) / full for row in rows if row["tokens"]}
            )
            used = json.loads((boards / "metrics" / f"{experiment}.json").read_text())["test"]["context_tokens"]
            assert [ring["tokens"] for ring in rings if ring["experiment"] == experiment] == [used]
    assert head.used[0] == "Characters used: sherlock-gru 32; sherlock-lstm 16."


def test_clipping_shows_the_largest_gradients_of_a_long_training(boards, head):
    assert [name for name, _ in head.clipping] == ["lstm", "gru", "irnn", "scrn", "rnn", "rnn-relu"]
    for name, spec in head.clipping:
        rows = read(boards, f"memory-{name}", "clipping.csv")
        shown = spec["data"]["values"]
        assert len(shown) <= figures.STEPS < len(rows)
        assert max(row["before"] for row in shown) == max(float(row["before"]) for row in rows)
        assert all(math.isclose(row["after"], min(1.0, row["before"]), rel_tol=1e-4) for row in shown)


def test_without_probes_the_context_remains_and_without_both_nothing(boards, made, tmp_path):
    root = shutil.copytree(boards, tmp_path / "some")
    for path in (root / "metrics").glob("memory-*.json"):
        path.unlink()
    head = figures.memory(root, leaderboard.table(root))
    assert head.spans is None
    assert head.contexts
    assert "Gradient flow" not in page.render(root)
    bare = made.write(tmp_path / "bare")
    assert figures.memory(bare, leaderboard.table(bare)) is None
    assert 'id="memory"' not in page.render(bare)


def test_cells_that_were_asked_at_other_lags_are_not_ordered_among_the_others(boards, tmp_path):
    copied = shutil.copytree(boards, tmp_path / "copied")
    path = copied / "metrics" / "memory-lstm.json"
    question = {"asked": "lags of 5 steps", "valid": "5" * 64, "test": "6" * 64}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"question": question}))
    assert figures.memory(copied, leaderboard.table(copied)).order.startswith("gru 120 > irnn 30")
