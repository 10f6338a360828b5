"""`anamnesis list` and `anamnesis show`: tables in a pipe, from any folder of the project."""

import json
import math
import shutil
import sys
from pathlib import Path

import pytest
from settings_files import write_settings
from shell import anamnesis

from anamnesis import files, params
from anamnesis.boards import BOARDS
from anamnesis.cli.experiments import list_experiments
from anamnesis.errors import AnamnesisError
from anamnesis.tracking import selection

from .conftest import TEXT

REPOSITORY = Path(__file__).parents[2]


def test_list_is_a_plain_table_when_piped_in_any_folder(root):
    done = anamnesis(root / "data" / "raw", "list")
    assert done.returncode == 0, done.stderr
    header, *rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert header == ["experiment", "task", "corpus", "tokens", "architecture", "status", "ranked by", "test score"]
    ranked = "bits per character"
    assert rows[0][:7] == ["hello-uniform", "language", "hello", "hello-characters", "uniform", "evaluated", ranked]
    # h, e, l, o, j, space, line end and <unk>: a uniform model's perplexity is the size of the vocabulary. Of the
    # text's characters all but the first are predicted.
    assert float(rows[0][7]) == pytest.approx(math.log2(8) * (len(TEXT) - 1) / len(TEXT), rel=1e-4)
    assert rows[1] == ["hello-ngram3", "language", "hello", "hello-characters", "ngram", "-", ranked, ""]


def test_list_fits_80_columns_with_the_projects_own_experiments(tmp_path, monkeypatch, capsys):
    for name in ("params.yaml", "corpora.yaml", "dvc.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    experiments = params.load(tmp_path / "params.yaml").experiments
    (tmp_path / "metrics").mkdir()
    for name, experiment in experiments.items():
        files.write_json(tmp_path / "metrics" / f"{name}.json", {"test": {BOARDS[experiment.task].metric: 1234.56789}})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    list_experiments()
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for name in experiments:
        assert sum(line.split()[:1] == [name] for line in lines) == 1
    assert any("sherlock: Which token comes next?" in line for line in lines)


def test_a_model_of_other_settings_is_listed_as_changed(root, tmp_path):
    for name in ("params.yaml", "corpora.yaml", "dvc.yaml"):
        shutil.copy(root / name, tmp_path)
    for folder in ("models", "metrics"):
        shutil.copytree(root / folder, tmp_path / folder)
    path = tmp_path / "params.yaml"
    content = params.read(path)
    content["experiments"]["hello-uniform"]["sampling"] = {"length": 7}
    write_settings(tmp_path, content)
    assert anamnesis(tmp_path, "list").stdout.splitlines()[1].split("\t")[5] == "changed"


def test_show_has_settings_model_scores_and_samples(root):
    done = anamnesis(root, "show", "hello-uniform")
    assert done.returncode == 0, done.stderr
    card = json.loads((root / "models" / "hello-uniform" / "model.json").read_text())
    samples = json.loads((root / "predictions" / "hello-uniform" / "samples.json").read_text())
    assert "architecture: uniform" in done.stdout
    assert f"fingerprint: {card['fingerprint']}" in done.stdout
    assert "perplexity\t8\t8\n" in done.stdout
    assert samples[-1]["strategy"] in done.stdout
    assert samples[-1]["text"] in done.stdout


def test_conflict_marks_of_git_are_named_in_one_line(root, tmp_path):
    project = shutil.copytree(root, tmp_path / "project")
    path = project / "metrics" / "hello-uniform.json"
    text = path.read_text()
    path.write_text(f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> theirs\n")
    for arguments in (["list"], ["show", "hello-uniform"], ["leaderboard"]):
        done = anamnesis(project, *arguments)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert "metrics/hello-uniform.json: line 1 is a conflict mark of Git; run `anamnesis repro" in line
    # The stage `register` chooses from the same files.
    with pytest.raises(AnamnesisError, match=r"hello-uniform\.json: line 1 is a conflict mark of Git"):
        selection.select_best(params.load(project / "params.yaml"), project)
