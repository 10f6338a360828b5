"""Names of runs show the settings that differ from the current commit."""

import subprocess
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from anamnesis.tracking import names, project_run, result_runs, store, sync
from anamnesis.tracking.names import changed_settings


@pytest.mark.parametrize(
    ("settings", "before", "expected"),
    [
        ({"training": {"epochs": 3, "rate": 0.1}}, {"training": {"epochs": 9, "rate": 0.1}}, {"epochs": "3"}),
        ({"training": {"patience": None}}, {"training": {"patience": 3}}, {"patience": "null"}),
        ({"a": {"size": 1}, "b": {"size": 2}}, {"a": {"size": 3}, "b": {"size": 4}}, {"a.size": "1", "b.size": "2"}),
        # The key `parameters` of a card is the size of the network, not a setting.
        ({"seed": 1, "corpus": "toy", "parameters": 7}, {"seed": 1, "parameters": None}, {}),
    ],
)
def test_changed_settings(settings, before, expected) -> None:
    assert changed_settings(settings, before) == expected


def test_a_name_has_the_changes_and_the_dvc_experiment(
    root: Path, finish, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "params.yaml", "corpora.yaml"], ["commit", "-q", "-m", "settings"]):
        subprocess.run([*git, *command], check=True)
    for cached in (store.git_commit, names._committed):
        cached.cache_clear()
    finish("toy-a")
    plain = result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info
    assert plain.run_name == "toy-a"
    # As `dvc exp run -S experiments.toy-a.seed=3` does.
    content = yaml.safe_load((root / "params.yaml").read_text())
    content["experiments"]["toy-a"]["seed"] = 3
    (root / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    monkeypatch.setenv("DVC_EXP_NAME", "crass-volt")
    finish("toy-a", seed=3)
    run = client.get_run(result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_id)
    assert run.info.run_name == "toy-a seed=3 (crass-volt)"
    assert (run.data.tags["dvc.exp.name"], run.data.tags["current"]) == ("crass-volt", "true")
    assert "current" not in client.get_run(plain.run_id).data.tags


def test_a_run_of_mlflow_run_without_child_runs_is_deleted(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a")
    empty, parent = (client.create_run("0").info.run_id for _ in range(2))
    experiment = store.connect(root).experiment_id("language/toy")
    client.create_run(experiment, tags={"mlflow.parentRunId": parent})
    for run_id in (empty, parent):
        project_run.close(run_id, ["anamnesis", "show", "toy-a"], root)
        # `mlflow run` sets the status after the command.
        client.set_terminated(run_id, "FINISHED")
    assert {client.get_run(run_id).info.run_name for run_id in (empty, parent)} == {"anamnesis show toy-a"}
    sync.sync(root)
    assert client.get_run(empty).info.lifecycle_stage == "deleted"
    assert client.get_run(parent).info.lifecycle_stage == "active"
