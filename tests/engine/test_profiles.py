"""A profile's folder by plain DVC: apart from the project's, and yet nothing is done twice."""

import shutil
import subprocess
import sys
from copy import copy
from pathlib import Path

import pytest

from anamnesis import profiles

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def other(project):
    """The folder of a profile in which one experiment differs, committed; the project itself has been run."""
    shutil.copyfile(REPOSITORY / ".gitignore", project.root / ".gitignore")
    (project.root / "profiles").mkdir()
    (project.root / "profiles" / "other.yaml").write_text("experiments: {hello-bb: {seed: 9}}\n")
    profiles.make(project.root, "other")
    project.dvc("repro", "-q")
    project.commit()
    project.ran()
    other = copy(project)
    other.root = project.root / "profiles" / "other"
    return other


def test_what_both_have_in_common_runs_once_and_switching_costs_nothing(project, other):
    status = project.git("status", "--porcelain")
    assert status == ""
    other.dvc("repro")
    # Not even the evaluation, whose model has come out alike.
    assert other.ran() == ["train hello-bb"]
    assert project.git("status", "--porcelain") == "?? profiles/other/dvc.lock\n"
    other.commit()
    assert (other.root / "metrics" / "hello-bb.json").is_file()
    for place in (project, other, project):
        assert "Data and pipelines are up to date." in place.dvc("repro")
        assert place.dvc("status") == "Data and pipelines are up to date.\n"
    assert project.ran() + other.ran() == []
    assert project.git("status", "--porcelain") == ""
    assert "profiles" not in project.dvc("metrics", "show")


def test_dvc_experiments_of_a_profile_and_what_they_change(project, other):
    other.dvc("repro", "-q")
    other.commit()
    said = other.dvc("exp", "run", "--name", "try", "-S", "experiments.hello-bb.seed=5")
    assert "Ran experiment(s): try" in said
    assert "experiments.hello-bb.seed" in other.dvc("params", "diff")
    header, *rows = [line.split(",") for line in other.dvc("exp", "show", "--csv").splitlines()]
    column = header.index("experiments.hello-bb.seed")
    # The working tree, the commit before, the experiment.
    assert [row[column] for row in rows] == ["5", "9", "5"]
    assert project.git("status", "--porcelain", "dvc.lock", "params.yaml") == ""


def test_a_fresh_clone_needs_no_command_of_ours(project, other, tmp_path):
    clone = tmp_path / "clone"
    other.git("clone", "-q", str(project.root), str(clone))
    there = copy(project)
    there.root = clone / "profiles" / "other"
    there.dvc("repro", "-q")
    assert len(there.ran()) == 9
    assert not (clone / "metrics").exists()
    assert there.git("status", "--porcelain") == "?? profiles/other/dvc.lock\n"


def test_both_at_once(project, other):
    project.experiments(["a", "bb", "ccc", "dddd"])
    profiles.make(project.root, "other")
    running = [place.popen("2") for place in (project, other)]
    ended = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    for place in (project, other):
        assert "Data and pipelines are up to date." in place.dvc("repro")
        assert (place.root / "metrics" / "hello-dddd.json").is_file()


def test_a_folder_that_git_ignores(project, other):
    ignored = copy(project)
    ignored.root = project.root / "profiles" / "smoke"
    (project.root / "profiles" / "smoke.yaml").write_text("{}\n")
    project.commit()
    profiles.make(project.root, "smoke")
    result = ignored.repro("2")
    assert result.returncode == 0, result.stderr
    # Equal in everything, so nothing had to run.
    assert ignored.ran() == []
    assert (ignored.root / "metrics" / "hello-a.json").is_file()
    assert project.git("status", "--porcelain") == ""


def test_no_link_leads_a_tool_to_a_file_twice(project, other):
    command = [sys.executable, "-m", "ruff", "check", "--show-files", str(project.root)]
    (project.root / "src").mkdir(exist_ok=True)
    (project.root / "src" / "one.py").write_text("")
    profiles.make(project.root, "other")
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [path for path in found if path.endswith("one.py")] == [str(project.root / "src" / "one.py")]
