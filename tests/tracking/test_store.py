"""The tracking store is created once and its errors are one line; names of runs show changed settings."""

import os
import sqlite3
import subprocess
from pathlib import Path

import forks
import pytest
import yaml

from anamnesis.tracking import names, project_run, result_runs, store, sync
from anamnesis.tracking.names import changed_settings

CREATE = (
    "import sys; from pathlib import Path; from anamnesis.tracking.store import connect\n"
    "s = connect(Path()); e = s.experiment_id('language/toy')\n"
    "s.client.create_run(e, run_name=sys.argv[1])"
)


def run_names(root: Path) -> list[str]:
    with sqlite3.connect(root / "mlflow.db") as database:
        return sorted(name for (name,) in database.execute("select name from runs"))


@pytest.fixture
def environment():
    return {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}


def test_four_processes_at_once_create_one_database(tmp_path, environment):
    # These processes have imported MLflow, so that they all start at the same time.
    done = forks.run(CREATE, "create", "{}", folder=tmp_path, environment=environment, at_once=4)
    assert [(each.returncode, each.stdout, each.stderr) for each in done] == [(0, "", "")] * 4
    assert run_names(tmp_path) == ["0", "1", "2", "3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".anamnesis", "mlflow.db"]


def test_an_interrupted_creation_leaves_no_database(tmp_path, monkeypatch):
    from mlflow.store.tracking import sqlalchemy_store

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(sqlalchemy_store, "SqlAlchemyStore", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.connect(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".anamnesis"]


def test_a_database_of_another_version_needs_an_upgrade(root):
    with sqlite3.connect(root / "mlflow.db") as database:
        database.execute("update alembic_version set version_num = 'bda7b8c39065'")
    with pytest.raises(store.TrackingError, match="mlflow db upgrade"):
        store.connect(root)


def test_the_run_of_mlflow_run_becomes_the_parent(root, finish, client, monkeypatch):
    parent = client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", parent)
    finish("toy-a")
    run = result_runs.sync_runs(["toy-a"], root).runs["toy-a"]
    assert run.info.run_id != parent
    assert client.get_run(run.info.run_id).data.tags["mlflow.parentRunId"] == parent
    assert "MLFLOW_RUN_ID" not in os.environ


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
def test_changed_settings(settings, before, expected):
    assert changed_settings(settings, before) == expected


def test_a_name_has_the_changes_and_the_dvc_experiment(root, finish, client, monkeypatch):
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "params.yaml", "corpora.yaml"], ["commit", "-q", "-m", "settings"]):
        subprocess.run([*git, *command], check=True)
    for cached in (store.git_commit, names._read_committed):
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


def test_a_run_of_mlflow_run_without_child_runs_is_deleted(root, finish, client):
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
