"""The stages of a profile run in the project's folder and write below the profile's, by the engine and by DVC."""

from copy import copy

import pytest

from anamnesis import profiles

WRITTEN = [f"profiles/other/{name}" for name in ("corpora.yaml", "dvc.lock", "dvc.yaml", "params.yaml")]


@pytest.fixture
def other(project):
    """The folder of a profile in which one experiment differs; its profile.yaml alone is committed."""
    folder = project.root / "profiles" / "other"
    folder.mkdir(parents=True)
    (folder / "profile.yaml").write_text("experiments: {hello-bb: {seed: 9}}\n")
    project.commit()
    profiles.write(project.root, "other")
    other = copy(project)
    other.root = folder
    return other


def models(root):
    return {f"{path.relative_to(root)}": path.read_bytes() for path in (root / "models").rglob("*") if path.is_file()}


def untracked(project):
    return [line.removeprefix("?? ") for line in project.git("status", "--porcelain").splitlines()]


def test_a_profile_runs_beside_the_project_and_touches_nothing_of_it(project, other):
    result = other.repro("2")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "a plain `dvc repro profiles/other/dvc.yaml` finds nothing left to do" in result.stdout
    assert len(project.ran()) == 9
    assert (other.root / "metrics" / "hello-bb.json").is_file()
    assert (other.root / ".anamnesis" / "logs" / "train@hello-bb.log").is_file()
    assert untracked(project) == WRITTEN
    # DVC agrees, from both folders.
    assert "Data and pipelines are up to date." in project.dvc("repro", "profiles/other/dvc.yaml")
    assert "Data and pipelines are up to date." in other.dvc("repro")
    assert other.repro("2").stdout.startswith("Nothing to do: all 9 stages are up to date.\n")
    # The project itself has run nothing yet, and does not run the profile's stages again.
    assert not [name for name in ("models", "metrics", "dvc.lock") if (project.root / name).exists()]
    assert project.repro("2").returncode == 0
    assert len(project.ran()) == 9
    assert models(project.root) == models(other.root)
    assert "Data and pipelines are up to date." in project.dvc("status")


def test_plain_dvc_and_the_engine_write_the_same_lock_file_and_dvc_experiments_work(project, other):
    assert other.repro("2").returncode == 0
    lock = (other.root / "dvc.lock").read_bytes()
    (other.root / "dvc.lock").unlink()
    project.ran()
    project.dvc("repro", "-q", "-f", "profiles/other/dvc.yaml")
    assert (other.root / "dvc.lock").read_bytes() == lock
    assert len(project.ran()) == 9
    # The files of the profile need not be committed.
    setting = "profiles/other/params.yaml:experiments.hello-bb.seed=5"
    target = "profiles/other/dvc.yaml:evaluate@hello-bb"
    assert "Ran experiment(s): try" in project.dvc("exp", "run", "--name", "try", "-S", setting, target)
    assert "seed: 5" in (other.root / "params.yaml").read_text()
    assert profiles.list_changes(project.root, "other") == ["params.yaml"]
    assert untracked(project) == WRITTEN
