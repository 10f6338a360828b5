"""Experiments repeated with other seeds: one row of mean and spread; without such, nothing changes."""

import csv
import io
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from anamnesis import params
from anamnesis.boards import entrants
from anamnesis.report import formats, leaderboard, page, results, seeds
from anamnesis.report.compare import compare

# Validation and test bits of sherlock-rnn by seed: one seed beats sherlock-gru (2.02), their mean does not.
BITS = {1: (2.24, 2.26), 2: (1.99, 2.31), 3: (2.19, 2.18)}


def repeat(root, made, names=("sherlock-rnn-seed2", "another")):
    """The made-up project with sherlock-rnn trained with two more seeds, under names that need not tell."""
    rnn = next(entry for entry in made.ALL if entry.name == "sherlock-rnn")
    copies = [replace(rnn, name=name, bits=BITS[seed]) for seed, name in enumerate(names, 2)]
    made.write(root, (*made.ALL, *copies))
    path = root / "params.yaml"
    content = yaml.safe_load(path.read_text())
    for seed, name in enumerate(names, 2):
        content["experiments"][name]["seed"] = seed
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return root


@pytest.fixture(scope="module")
def repeated(made, tmp_path_factory):
    root = repeat(tmp_path_factory.mktemp("repeated"), made)
    compare(root)
    return root


def row_of(root, name):
    return next(row for row in leaderboard.table(root) if row.result.experiment == name)


def test_a_group_has_the_mean_and_the_sample_standard_deviation_of_every_score(repeated):
    row = row_of(repeated, "sherlock-rnn")
    members = ["sherlock-rnn", "sherlock-rnn-seed2", "another"]
    assert [result.experiment for result in row.result.repeats] == members
    metrics = [json.loads((repeated / "metrics" / f"{name}.json").read_text()) for name in members]
    for split in ("valid", "test"):
        assert row.result.scores[split].keys() == row.result.spread[split].keys() >= {"perplexity", "top5_accuracy"}
        for metric, mean in row.result.scores[split].items():
            drawn = [each[split][metric] for each in metrics]
            np.testing.assert_allclose(mean, np.mean(drawn), rtol=1e-12)
            np.testing.assert_allclose(row.result.spread[split][metric], np.std(drawn, ddof=1), rtol=1e-9, atol=1e-12)


def test_a_group_competes_by_its_mean_and_not_by_its_luckiest_seed(repeated):
    rows = [row for row in leaderboard.table(repeated) if row.result.corpus == "sherlock"]
    assert [row.result.experiment for row in rows][:3] == ["sherlock-gru", "sherlock-lstm", "sherlock-rnn"]
    assert min(valid for valid, _ in BITS.values()) < rows[0].result.score() < rows[2].result.score()
    assert rows[0].mark == "best"
    assert not {"sherlock-rnn-seed2", "another"} & {row.result.experiment for row in rows}


def test_a_group_of_one_has_no_spread_anywhere(project):
    assert all(not row.result.repeats and not row.result.spread for row in leaderboard.table(project))
    assert "seed" not in (project / "reports" / "leaderboard.csv").read_text()
    assert "±" not in (project / "reports" / "index.html").read_text()


def test_a_score_that_one_seed_lacks_is_left_out(made, tmp_path):
    path = repeat(tmp_path, made) / "metrics" / "another.json"
    metrics = json.loads(path.read_text())
    del metrics["test"]["top5_accuracy"]
    path.write_text(json.dumps(metrics))
    scores = row_of(tmp_path, "sherlock-rnn").result.scores
    assert "top5_accuracy" in scores["valid"]
    assert "top5_accuracy" not in scores["test"]


def test_a_seed_without_metrics_is_missing_and_the_others_are_a_group(made, tmp_path):
    root = repeat(tmp_path, made)
    (root / "metrics" / "sherlock-rnn.json").unlink()
    assert list(results.load(root).missing) == ["sherlock-rnn"]
    row = row_of(root, "sherlock-rnn-seed2")
    np.testing.assert_allclose(row.result.score(), np.mean([BITS[2][0], BITS[3][0]]))


def test_csv_has_a_line_for_each_seed_and_says_what_it_repeats(repeated):
    lines = list(csv.DictReader(io.StringIO((repeated / "reports" / "leaderboard.csv").read_text())))
    mine = [line for line in lines if line["seed_of"]]
    assert [line["experiment"] for line in mine] == ["sherlock-rnn", "sherlock-rnn-seed2", "another"]
    assert {(line["seed_of"], line["seeds"], line["rank"], line["mark"]) for line in mine} == {
        ("sherlock-rnn", "3", "3", "")
    }
    for split, which in (("valid", 0), ("test", 1)):
        drawn = [bits[which] for bits in BITS.values()]
        assert [float(line[f"{split}_bits_per_character"]) for line in mine] == drawn
        for line in mine:
            np.testing.assert_allclose(float(line[f"{split}_bits_per_character_mean"]), np.mean(drawn), rtol=1e-12)
            np.testing.assert_allclose(float(line[f"{split}_bits_per_character_std"]), np.std(drawn, ddof=1))
    others = [line for line in lines if not line["seed_of"]]
    assert all(not value for line in others for key, value in line.items() if key.endswith(("_mean", "_std", "seeds")))


def test_the_mark_of_a_group_stands_on_one_line(made, tmp_path):
    root = repeat(tmp_path, made)
    for name in ("sherlock-rnn", "another"):
        path = root / "metrics" / f"{name}.json"
        metrics = json.loads(path.read_text())
        metrics["valid"]["bits_per_character"] = 1.5
        path.write_text(json.dumps(metrics))
    lines = csv.DictReader(io.StringIO(leaderboard.csv_text(leaderboard.table(root))))
    assert [line["experiment"] for line in lines if line["corpus"] == "sherlock" and line["mark"] == "best"] == [
        "sherlock-rnn"
    ]


def test_the_page_shows_mean_spread_and_each_seed(repeated):
    html = (repeated / "reports" / "index.html").read_text()
    valid, test = (np.array(drawn) for drawn in zip(*BITS.values(), strict=True))
    for drawn in (valid, test):
        assert f">{np.mean(drawn):.3f}<br>± {np.std(drawn, ddof=1):.3f}</td>" in html
    assert ">3 seeds</span>" in html
    folded = html.partition("Each seed of sherlock-rnn")[2].partition("</details>")[0]
    for name, bits in zip(("sherlock-rnn", "sherlock-rnn-seed2", "another"), BITS.values(), strict=True):
        assert f'<th scope="row">{name}</th>' in folded
        assert all(f">{score:.3f}</td>" in folded for score in bits)


def test_curves_of_other_seeds_are_drawn_in_the_colour_of_their_experiment(repeated, made, tmp_path):
    def layers(root):
        rows = leaderboard.table(root)
        sherlock = [row for row in rows if row.result.corpus == "sherlock"]
        return page._curves(root, sherlock, [], [])[0][1].spec["layer"]

    alone, drawn = layers(made.write(tmp_path)), layers(repeated)
    thin = [layer for layer in drawn if "detail" in layer.get("encoding", {})]
    assert len(drawn) == len(alone) + 1
    assert len(thin) == 1
    assert {(point["experiment"], point["repeat"]) for point in thin[0]["data"]["values"]} == {
        ("sherlock-rnn", 2),
        ("sherlock-rnn", 3),
    }
    entry = row_of(repeated, "sherlock-rnn").result
    expected = [results.curve(repeated, name) for name in ("sherlock-rnn-seed2", "another")]
    assert seeds.curves(repeated, entry) == expected


def test_the_terminal_shows_spreads_on_eighty_columns(repeated):
    from rich.console import Console

    from anamnesis.report.terminal import print_leaderboard

    console = Console(file=io.StringIO(), width=80)
    print_leaderboard(repeated, console)
    lines = console.file.getvalue().splitlines()
    place = next(number for number, line in enumerate(lines) if " sherlock-rnn " in line)
    assert lines[place].split()[-2:] == ["2.140", "2.250"]
    assert "mean of 3 seeds" in lines[place + 1]
    assert lines[place + 1].split()[-2:] == ["±0.132", "±0.066"]
    assert not any("…" in line for line in lines)


def test_entrants_go_by_settings_not_by_names(repeated):
    experiments = params.load(repeated / "params.yaml").experiments
    groups = entrants(experiments)
    assert [name for group in groups for name in group].count("another") == 1
    assert [group for group in groups if len(group) > 1] == [["sherlock-rnn", "sherlock-rnn-seed2", "another"]]


def test_entrants_must_differ_in_the_seed_and_in_nothing_else(repeated):
    one = params.load(repeated / "params.yaml").experiments["sherlock-rnn"]
    larger = one.model_copy(update={"seed": 2, "model": one.model.model_copy(update={"hidden": 129})})
    assert entrants({"one": one, "larger": larger}) == [["one"], ["larger"]]
    assert entrants({"one": one, "one-seed2": one}) == [["one"], ["one-seed2"]]
    assert entrants({"a": SimpleNamespace(), "b": SimpleNamespace(), "c": None}) == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize(
    ("metric", "mean", "deviation", "text"),
    [
        ("bits_per_character", 1.9581, 0.0042, "1.958 ± 0.004"),
        ("accuracy", 0.5837, 0.00312, "58.4 ± 0.3 %"),
        ("perplexity", 26.17, 0.3049, "26.17 ± 0.30"),
        ("perplexity", 12345.6, 1234.5, "12,346 ± 1,234"),
        ("bleu", 30.04, 0.26, "30.0 ± 0.3"),
        ("gradient_decay_initial", 1.234e-05, 2.1e-06, "1.234e-05 ± 2.1e-06"),
        ("bits_per_character", 1.9581, None, "1.958"),
        ("perplexity", None, None, "–"),
    ],
)
def test_spreads_are_written_with_the_decimals_of_their_means(metric, mean, deviation, text):
    assert formats.repeated(metric, mean, deviation) == text
