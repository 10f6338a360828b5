"""The leaderboard: who stands where, what is marked, what is refused."""

import csv
import io
import json
import subprocess
import sys

import pytest

from anamnesis.errors import AnamnesisError
from anamnesis.report import formats, leaderboard, results
from anamnesis.report.compare import compare


def names(rows, corpus):
    return [row.result.experiment for row in rows if row.result.corpus == corpus]


def test_orders_by_validation_and_never_by_test(made, tmp_path):
    rows = leaderboard.table(made.write(tmp_path))
    valid = {entry.name: entry.bits[0] for entry in made.ALL}
    test = {entry.name: entry.bits[1] for entry in made.ALL}
    order = names(rows, "sherlock")
    assert order == sorted(order, key=valid.__getitem__)
    assert order != sorted(order, key=test.__getitem__), "the fixture must tell the two apart"

    # The best test score of all must not move an experiment.
    made.write(tmp_path, made.changed("sherlock-rnn", bits=(valid["sherlock-rnn"], 0.5)))
    assert names(leaderboard.table(tmp_path), "sherlock") == order
    made.write(tmp_path, made.changed("sherlock-rnn", bits=(0.5, 9.0)))
    assert names(leaderboard.table(tmp_path), "sherlock")[0] == "sherlock-rnn"


def test_marks_the_best_and_the_best_of_the_other_kind(project):
    marks = {row.result.experiment: row.mark for row in leaderboard.table(project) if row.mark}
    assert marks == {
        "sherlock-gru": "best",
        "sherlock-ngram5": "best baseline",
        "novel-ngram3": "best",
        "novel-lstm": "best network",
        "sanguo-lstm": "best",
        "sanguo-ngram3": "best baseline",
        "hello-rnn": "best",
    }


def test_equal_scores_are_ordered_by_name(made, tmp_path):
    made.write(tmp_path, made.changed("sherlock-lstm", bits=(2.02, 2.0)))
    assert names(leaderboard.table(tmp_path), "sherlock")[:2] == ["sherlock-gru", "sherlock-lstm"]


def ask(root, asked, *experiments, digest="5"):
    """Let the metrics of experiments state another question."""
    for name in experiments:
        path = root / "metrics" / f"{name}.json"
        question = {"asked": asked, "valid": digest * 64, "test": digest * 64}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"question": question}))


def test_scores_of_different_questions_never_rank_against_each_other(made, tmp_path, capsys):
    made.write(tmp_path)
    # The best of all, and a baseline, are asked something easier.
    ask(tmp_path, "windows of 5", "sherlock-gru", "sherlock-ngram5")
    rows = leaderboard.table(tmp_path)
    groups = [group for board, found in leaderboard.boards(rows) for group in found if group.corpus == "sherlock"]
    assert [group.name for group in groups] == ["sherlock: the whole text", "sherlock: windows of 5"]
    assert [[row.result.experiment for row in group.rows] for group in groups] == [
        ["sherlock-lstm", "sherlock-rnn", "sherlock-lstm-windows", "sherlock-uniform"],
        ["sherlock-gru", "sherlock-ngram5"],
    ]
    for group in groups:
        assert [row.rank for row in group.rows] == list(range(1, len(group.rows) + 1))
        assert group.rows[0].mark == "best"
    compare(tmp_path)
    page = (tmp_path / "reports" / "index.html").read_text()
    for number, group in enumerate(groups):
        anchor = "language-sherlock" + ("-2" if number else "")
        assert f'<h3 id="{anchor}-heading">{group.name}</h3>' in page
    table = list(csv.DictReader(io.StringIO((tmp_path / "reports" / "leaderboard.csv").read_text())))
    assert {row["question"] for row in table if row["experiment"] == "sherlock-gru"} == {"windows of 5"}
    from anamnesis.report.terminal import print_leaderboard

    print_leaderboard(tmp_path)
    shown = capsys.readouterr().out
    assert shown.index("the whole text") < shown.index("windows of 5")


def test_questions_of_the_same_words_are_told_apart(made, tmp_path):
    made.write(tmp_path)
    ask(tmp_path, "the whole text", "sherlock-gru")
    found = [group for _, groups in leaderboard.boards(leaderboard.table(tmp_path)) for group in groups]
    names = [group.name for group in found if group.corpus == "sherlock"]
    assert names == [
        "sherlock: the whole text (digests 33333333, 44444444)",
        "sherlock: the whole text (digests 55555555, 55555555)",
    ]


def test_seeds_that_were_asked_different_questions_are_not_averaged(made, tmp_path):
    from settings_files import write_settings

    from anamnesis import params

    made.write(tmp_path)
    content = params.read(tmp_path / "params.yaml")
    content["experiments"]["sherlock-rnn"] = content["experiments"]["sherlock-gru"] | {"seed": 2}
    write_settings(tmp_path, content)
    [row] = [row for row in leaderboard.table(tmp_path) if row.result.experiment == "sherlock-rnn"]
    assert len(row.result.repeats) == 2
    ask(tmp_path, "windows of 5", "sherlock-gru")
    assert not any(row.result.repeats for row in leaderboard.table(tmp_path))


def test_params_decide_what_is_listed_not_the_folder(made, tmp_path):
    made.write(tmp_path)
    made.write(tmp_path, tuple(entry for entry in made.ALL if entry.name != "sherlock-gru"))
    assert (tmp_path / "metrics" / "sherlock-gru.json").exists()
    assert "sherlock-gru" not in names(leaderboard.table(tmp_path), "sherlock")


def test_csv_holds_every_experiment_and_the_numbers_of_the_metrics(project, made):
    text = (project / "reports" / "leaderboard.csv").read_text()
    rows = {row["experiment"]: row for row in csv.DictReader(io.StringIO(text))}
    assert set(rows) == {entry.name for entry in made.ALL}
    for name, row in rows.items():
        metrics = json.loads((project / "metrics" / f"{name}.json").read_text())
        assert row["baseline"] == str(metrics["architecture"] in ("uniform", "ngram")).lower()
        for split in ("valid", "test"):
            for metric in leaderboard.METRICS:
                value = metrics[split].get(metric)
                assert row[f"{split}_{metric}"] == ("" if value is None else str(value))


def test_curves_csv_has_each_number_of_each_history(project, made):
    rows = list(csv.DictReader(io.StringIO((project / "reports" / "curves.csv").read_text())))
    expected = 0
    for entry in made.ALL:
        history = list(csv.DictReader((project / "predictions" / entry.name / "curve.csv").read_text().splitlines()))
        for split in ("train", "valid"):
            for line in history:
                if line[f"{split}_perplexity"]:
                    expected += 1
                    found = [
                        row["perplexity"]
                        for row in rows
                        if row["experiment"] == entry.name
                        and row["epoch"] == line["epoch"]
                        and row["split"].startswith(split)
                    ]
                    assert [float(value) for value in found] == [float(line[f"{split}_perplexity"])]
    assert len(rows) == expected


def test_an_experiment_without_metrics_is_missing_not_a_crash(made, tmp_path, capsys):
    made.write(tmp_path, without=("sherlock-gru",))
    assert compare(tmp_path).missing == ["sherlock-gru"]
    assert "sherlock-gru has no metrics yet" in " ".join(
        (tmp_path / "reports" / "index.html").read_text().split()
    ).replace("<strong>", "").replace("</strong>", "")
    from anamnesis.report.terminal import print_leaderboard

    print_leaderboard(tmp_path)
    assert "missing: sherlock-gru" in capsys.readouterr().out


def test_no_metrics_at_all_is_one_clear_line(made, tmp_path):
    made.write(tmp_path, without=tuple(entry.name for entry in made.ALL))
    with pytest.raises(AnamnesisError, match=r"no experiment of .* has metrics yet; run `dvc repro` first"):
        compare(tmp_path)
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("damage", ["{", "[]", '{"valid": {}, "test": {}}', '{"valid": null}', "null"])
def test_damaged_metrics_name_the_file(made, tmp_path, damage):
    made.write(tmp_path)
    (tmp_path / "metrics" / "sherlock-lstm.json").write_text(damage)
    with pytest.raises(AnamnesisError, match=r"sherlock-lstm\.json"):
        leaderboard.table(tmp_path)


@pytest.mark.parametrize("damage", ["a,b\n1,2\n", "epoch,valid_perplexity\nx,2\n", "epoch,valid_perplexity\n1,much\n"])
def test_a_damaged_curve_names_the_file(made, tmp_path, damage):
    made.write(tmp_path)
    (tmp_path / "predictions" / "sherlock-lstm" / "curve.csv").write_text(damage)
    with pytest.raises(AnamnesisError, match=r"curve\.csv"):
        results.curve(tmp_path, "sherlock-lstm")


@pytest.mark.parametrize("damage", ["{", '["a"]', '[{"prompt": "a"}]', "3"])
def test_damaged_samples_name_the_file(made, tmp_path, damage):
    made.write(tmp_path)
    (tmp_path / "predictions" / "sherlock-lstm" / "samples.json").write_text(damage)
    with pytest.raises(AnamnesisError, match=r"samples\.json"):
        results.samples(tmp_path, "sherlock-lstm")


def test_terminal_shows_every_experiment_whole_on_eighty_columns(project, made):
    from rich.console import Console

    from anamnesis.report.terminal import print_leaderboard

    console = Console(file=io.StringIO(), width=80)
    print_leaderboard(project, console)
    lines = console.file.getvalue().splitlines()
    for entry in made.ALL:
        line = next(line for line in lines if f" {entry.name} " in line)
        assert f"{entry.bits[0]:.3f}" in line
        assert line.lstrip().startswith("★") == (
            entry.name in ("sherlock-gru", "novel-ngram3", "sanguo-lstm", "hello-rnn")
        )
    assert not any("…" in line for line in lines)


def test_short_names_keep_their_last_word_and_there_may_be_none():
    assert formats.short(["memory-rnn", "memory-rnn-relu"]) == {"memory-rnn": "rnn", "memory-rnn-relu": "rnn-relu"}
    assert formats.short(["memory-rnn"]) == {"memory-rnn": "rnn"}
    assert formats.short([]) == {}


def test_importing_the_leaderboard_loads_nothing_heavy():
    code = "import sys, anamnesis.report.leaderboard, anamnesis.report.terminal; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "pandas", "altair", "mlflow", "jinja2", "vl_convert", "rich"} & set(done.stdout.split())


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 0.5, "50.0 %"),
        ("bits_per_character", 2.0, "2.000"),
        ("perplexity", 4.17, "4.170"),
        ("perplexity", 12345.6, "12,346"),
        ("perplexity", None, "–"),
        ("macro_f1", 0.9, "0.900"),
        ("memory_span_copy", 7.5, "7.5"),
        ("context_tokens", 64.0, "64"),
        ("shuffle_preference", 0.913, "91.3 %"),
        ("bleu", 30.04, "30.0"),
        ("bleu_greedy", 100.0, "100.0"),
        ("chrf", 55.55, "55.5"),
        ("score_beam", -0.41234, "-0.412"),
        ("beam_below_greedy", 0.0123, "1.2 %"),
    ],
)
def test_scores_are_written_for_people(metric, value, text):
    assert formats.score(metric, value) == text
