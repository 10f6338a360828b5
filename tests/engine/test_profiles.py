"""The stages of a profile run in the project's folder and write below the profile's, by the engine and by DVC."""

from copy import copy

import pytest

from anamnesis import profiles


@pytest.fixture
def other(project):
    """The folder of a profile in which one experiment differs, committed; nothing has run."""
    folder = project.root / "profiles" / "other"
    folder.mkdir(parents=True)
    (folder / "profile.yaml").write_text("experiments: {hello-bb: {seed: 9}}\n")
    profiles.write(project.root, "other")
    project.commit()
    other = copy(project)
    other.root = folder
    return other


def files(root):
    return {f"{path.relative_to(root)}": path.read_bytes() for path in (root / "models").rglob("*") if path.is_file()}


def test_a_profile_runs_beside_the_project_and_touches_nothing_of_it(project, other):
    result = other.repro("2")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "a plain `dvc repro profiles/other/dvc.yaml` finds nothing left to do" in result.stdout
    assert len(project.ran()) == 9
    assert sorted(path.name for path in project.root.iterdir() if path.name in ("models", "metrics", "dvc.lock")) == []
    assert (other.root / "metrics" / "hello-bb.json").is_file()
    assert {path.name for path in (other.root / ".anamnesis" / "logs").glob("*.log")} >= {"train@hello-bb.log"}
    assert project.git("status", "--porcelain") == "?? profiles/other/dvc.lock\n"
    # DVC agrees, from both folders.
    assert "Data and pipelines are up to date." in project.dvc("repro", "profiles/other/dvc.yaml")
    assert "Data and pipelines are up to date." in other.dvc("repro")
    assert other.repro("2").stdout.startswith("Nothing to do: all 9 stages are up to date.\n")
    # The project itself has run nothing yet, and does not rerun what the profile has.
    assert project.repro("2").returncode == 0
    assert len(project.ran()) == 9
    assert files(project.root) == files(other.root)
    assert "Data and pipelines are up to date." in project.dvc("status")


def test_the_engine_writes_the_lock_file_that_dvc_writes(project, other):
    project.dvc("repro", "-q", "profiles/other/dvc.yaml")
    plain = (other.root / "dvc.lock").read_bytes()
    project.dvc("gc", "-w", "-f", "-q")
    (other.root / "dvc.lock").unlink()
    project.ran()
    assert other.repro("2").returncode == 0
    assert (other.root / "dvc.lock").read_bytes() == plain
    assert other.repro("2", "train@hello-bb").stdout.startswith("Nothing to do: all 3 stages")


def test_a_fresh_clone_needs_no_command_of_ours(project, other, tmp_path):
    clone = copy(project)
    clone.root = tmp_path / "clone"
    project.git("clone", "-q", str(project.root), str(clone.root))
    clone.dvc("repro", "-q", "profiles/other/dvc.yaml")
    assert len(clone.ran()) == 9
    assert not (clone.root / "metrics").exists()
    assert clone.git("status", "--porcelain") == "?? profiles/other/dvc.lock\n"


def test_dvc_experiments_of_a_profile_change_its_settings(project, other):
    project.dvc("repro", "-q", "profiles/other/dvc.yaml")
    project.commit()
    target = ["profiles/other/dvc.yaml:evaluate@hello-bb"]
    key = "profiles/other/params.yaml:experiments.hello-bb.seed"
    assert "Ran experiment(s): try" in project.dvc("exp", "run", "--name", "try", "-S", f"{key}=5", *target)
    assert "seed: 5" in (other.root / "params.yaml").read_text()
    assert profiles.changed(project.root, "other") == ["params.yaml"]
    assert project.git("status", "--porcelain", "dvc.lock", "params.yaml") == ""
