"""The tracking store: its database is created once, and its errors are one line."""

import os
import sqlite3
from pathlib import Path

import forks
import pytest

from anamnesis.tracking import result_runs, store

CREATE = (
    "import sys; from pathlib import Path; from anamnesis.tracking.store import connect\n"
    "s = connect(Path()); e = s.experiment_id('language/toy')\n"
    "s.client.create_run(e, run_name=sys.argv[1])"
)


def run_names(root: Path) -> list[str]:
    with sqlite3.connect(root / "mlflow.db") as database:
        return sorted(name for (name,) in database.execute("select name from runs"))


@pytest.fixture
def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}


def test_four_processes_at_once_create_one_database(tmp_path: Path, environment: dict[str, str]) -> None:
    # These processes have imported MLflow, so that they all start at the same time.
    done = forks.run(CREATE, "create", "{}", folder=tmp_path, environment=environment, at_once=4)
    assert [(each.returncode, each.stdout, each.stderr) for each in done] == [(0, "", "")] * 4
    assert run_names(tmp_path) == ["0", "1", "2", "3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".anamnesis", "mlflow.db"]


def test_an_interrupted_creation_leaves_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.store.tracking import sqlalchemy_store

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(sqlalchemy_store, "SqlAlchemyStore", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.connect(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".anamnesis"]


def test_a_database_of_another_version_needs_an_upgrade(root: Path) -> None:
    with sqlite3.connect(root / "mlflow.db") as database:
        database.execute("update alembic_version set version_num = 'bda7b8c39065'")
    with pytest.raises(store.TrackingError, match="mlflow db upgrade"):
        store.connect(root)


def test_the_run_of_mlflow_run_becomes_the_parent(root, finish, client, monkeypatch) -> None:
    parent = client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", parent)
    finish("toy-a")
    run = result_runs.sync_runs(["toy-a"], root).runs["toy-a"]
    assert run.info.run_id != parent
    assert client.get_run(run.info.run_id).data.tags["mlflow.parentRunId"] == parent
    assert "MLFLOW_RUN_ID" not in os.environ
