"""The leaderboard: ranks by validation, marks, questions, seeds, tables, and number formats."""

import csv
import io
import json

import numpy as np
import pytest
from settings_files import write_settings

from anamnesis import params
from anamnesis.boards import BOARDS
from anamnesis.errors import AnamnesisError
from anamnesis.report import formats, leaderboard
from anamnesis.report.terminal import print_leaderboard
from anamnesis.stages.compare import compare

from .conftest import LANGUAGE, write

# Bits of sherlock-rnn by seed, validation and test: one seed beats sherlock-gru (2.02), the mean does not.
BITS = {1: (2.24, 2.26), 2: (1.99, 2.31), 3: (2.19, 2.18)}
COPIES = ("sherlock-rnn-seed2", "sherlock-another")


def names(rows, corpus):
    return [row.result.experiment for row in rows if row.result.corpus == corpus]


def read_csv(root, name):
    return list(csv.DictReader(io.StringIO((root / "reports" / name).read_text())))


def metrics_of(root, name):
    return json.loads((root / "metrics" / f"{name}.json").read_text())


def test_orders_by_validation_and_never_by_test(tmp_path):
    rows, rnn = leaderboard.table(write(tmp_path)), LANGUAGE["sherlock-rnn"]
    order = names(rows, "sherlock")
    assert order == sorted(order, key=lambda name: LANGUAGE[name].valid)
    # The best test score of all does not move an experiment.
    write(tmp_path, LANGUAGE | {"sherlock-rnn": rnn._replace(test=0.5)})
    assert names(leaderboard.table(tmp_path), "sherlock") == order
    write(tmp_path, LANGUAGE | {"sherlock-rnn": rnn._replace(valid=0.5, test=9.0)})
    assert names(leaderboard.table(tmp_path), "sherlock")[0] == "sherlock-rnn"


def test_every_board_ranks_in_its_direction(boards):
    for task, groups in leaderboard.boards(leaderboard.table(boards)):
        for group in groups:
            scores = [row.result.score for row in group.rows]
            assert scores == sorted(scores, reverse=BOARDS[task].higher)
            assert [row.rank for row in group.rows] == list(range(1, len(scores) + 1))


def test_marks_the_best_and_the_best_of_the_other_kind(project):
    marks = {row.result.experiment: row.mark for row in leaderboard.table(project) if row.mark}
    assert marks == {
        "sherlock-gru": "best",
        "sherlock-ngram5": "best baseline",
        "novel-ngram3": "best",
        "novel-lstm": "best network",
        "sanguo-lstm": "best",
        "sanguo-ngram3": "best baseline",
    }


def test_scores_of_different_questions_never_rank_against_each_other(tmp_path):
    write(tmp_path)
    for name in ("sherlock-gru", "sherlock-ngram5"):
        question = {"asked": "windows of 5", "valid": "5" * 64, "test": "5" * 64}
        path = tmp_path / "metrics" / f"{name}.json"
        path.write_text(json.dumps(metrics_of(tmp_path, name) | {"question": question}))
    groups = [
        group
        for _, board in leaderboard.boards(leaderboard.table(tmp_path))
        for group in board
        if group.corpus == "sherlock"
    ]
    assert {group.name: [row.result.experiment for row in group.rows] for group in groups} == {
        "sherlock: the whole text": ["sherlock-lstm", "sherlock-rnn", "sherlock-lstm-windows", "sherlock-uniform"],
        "sherlock: windows of 5": ["sherlock-gru", "sherlock-ngram5"],
    }
    assert [group.rows[0].mark for group in groups] == ["best", "best"]
    compare(tmp_path)
    page = (tmp_path / "reports" / "index.html").read_text()
    for anchor, group in zip(("language-sherlock", "language-sherlock-2"), groups, strict=True):
        assert f'<h3 id="{anchor}-heading">{group.name}</h3>' in page


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    """The language models, sherlock-rnn trained with two more seeds, under any names."""
    root, rnn = tmp_path_factory.mktemp("repeated"), LANGUAGE["sherlock-rnn"]
    copies = {name: rnn._replace(valid=BITS[seed][0], test=BITS[seed][1]) for seed, name in enumerate(COPIES, 2)}
    write(root, LANGUAGE | copies)
    content = params.read(root / "params.yaml")
    for seed, name in enumerate(COPIES, 2):
        content["experiments"][name]["seed"] = seed
    write_settings(root, content)
    compare(root)
    return root


def test_a_repeated_experiment_competes_by_its_mean_with_the_sample_standard_deviation(repeated):
    rows = [row for row in leaderboard.table(repeated) if row.result.corpus == "sherlock"]
    assert [row.result.experiment for row in rows][:3] == ["sherlock-gru", "sherlock-lstm", "sherlock-rnn"]
    result = rows[2].result
    members = ["sherlock-rnn", *COPIES]
    assert [each.experiment for each in result.repeats] == members
    for split in ("valid", "test"):
        for metric, mean in result.scores[split].items():
            values = [metrics_of(repeated, name)[split][metric] for name in members]
            np.testing.assert_allclose(mean, np.mean(values), rtol=1e-12)
            np.testing.assert_allclose(result.spread[split][metric], np.std(values, ddof=1), rtol=1e-9, atol=1e-12)


def test_csv_and_page_show_each_seed(repeated):
    mine = [line for line in read_csv(repeated, "leaderboard.csv") if line["seed_of"]]
    assert [line["experiment"] for line in mine] == ["sherlock-rnn", *COPIES]
    assert {(line["seed_of"], line["seeds"], line["rank"]) for line in mine} == {("sherlock-rnn", "3", "3")}
    for split, place in (("valid", 0), ("test", 1)):
        values = [bits[place] for bits in BITS.values()]
        assert [float(line[f"{split}_bits_per_character"]) for line in mine] == values
        for line in mine:
            np.testing.assert_allclose(float(line[f"{split}_bits_per_character_mean"]), np.mean(values))
            np.testing.assert_allclose(float(line[f"{split}_bits_per_character_std"]), np.std(values, ddof=1))
    page = (repeated / "reports" / "index.html").read_text()
    assert '<span class="badge baseline">3 seeds</span>' in page
    assert "2.140<br>± 0.132" in page


def test_csv_holds_every_experiment_and_the_numbers_of_the_metrics(boards):
    rows = {row["experiment"]: row for row in read_csv(boards, "leaderboard.csv")}
    assert set(rows) == {path.stem for path in (boards / "metrics").iterdir()}
    for name, row in rows.items():
        metrics = metrics_of(boards, name)
        for split in ("valid", "test"):
            for metric in leaderboard.METRICS:
                value, shown = metrics[split].get(metric), row[f"{split}_{metric}"]
                assert (float(shown) if shown else None) == value
    assert "seeds" not in rows[name]


def test_the_leaderboard_lists_the_experiments_of_params_and_names_missing_ones(tmp_path, capsys):
    write(tmp_path)
    others = {name: result for name, result in LANGUAGE.items() if name != "sherlock-gru"}
    write(tmp_path, others, without=("sherlock-lstm",))
    assert (tmp_path / "metrics" / "sherlock-gru.json").exists()
    assert not {"sherlock-gru", "sherlock-lstm"} & set(names(leaderboard.table(tmp_path), "sherlock"))
    compare(tmp_path)
    assert "compare: sherlock-lstm is missing" in capsys.readouterr().out
    assert "<strong>sherlock-lstm</strong> has no metrics yet" in (tmp_path / "reports" / "index.html").read_text()


def test_no_metrics_at_all_is_one_clear_line(tmp_path):
    write(tmp_path, without=tuple(LANGUAGE))
    with pytest.raises(AnamnesisError, match=r"no experiment of .* has metrics yet; run `dvc repro` first"):
        compare(tmp_path)
    assert not (tmp_path / "reports").exists()


def test_terminal_shows_each_board_whole_on_eighty_columns(boards):
    from rich.console import Console

    console = Console(file=io.StringIO(), width=80)
    print_leaderboard(boards, console)
    lines = console.file.getvalue().splitlines()
    assert all("…" not in line and len(line.rstrip()) <= 80 for line in lines)
    for row in leaderboard.table(boards):
        line = next(line for line in lines if f" {row.result.experiment} " in line)
        assert line.lstrip().startswith("★") == (row.mark == "best")
        assert formats.score(BOARDS[row.result.task].metric, row.result.score) in line


def test_terminal_counts_experiments_without_metrics_in_one_line(tmp_path):
    from rich.console import Console

    absent = tuple(LANGUAGE)[1:]
    write(tmp_path, without=absent)
    console = Console(file=io.StringIO(), width=80)
    print_leaderboard(tmp_path, console)
    *_, last = console.file.getvalue().splitlines()
    assert last.startswith(
        f"without metrics: {len(absent)} of {len(absent) + 1} experiments ({', '.join(absent[:3])}, ...)"
    )


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 0.5, "50.0 %"),
        ("perplexity", 4.17, "4.170"),
        ("perplexity", 12345.6, "12,346"),
        ("perplexity", None, "–"),
        ("skill", -0.0249, "-0.02490"),
    ],
)
def test_scores_are_written_for_people(metric, value, text):
    assert formats.score(metric, value) == text
