import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import forks
import pytest

from anamnesis.tracking import projection, store

MAKE = (
    "import sys; from pathlib import Path; from anamnesis.tracking.store import connect\n"
    "s = connect(Path()); e = s.experiment_id('language/toy')\n"
    "s.client.create_run(e, run_name=sys.argv[1])"
)


def made(root: Path) -> list[tuple[str, str]]:
    """Each run in the project's database, and its MLflow experiment."""
    with sqlite3.connect(root / "mlflow.db") as database:
        found = database.execute("select r.name, e.name from runs r join experiments e using (experiment_id)")
        return sorted(found.fetchall())


@pytest.fixture
def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}


def test_a_new_database_is_made_without_a_word(tmp_path: Path, environment: dict[str, str]) -> None:
    """Neither migrations nor telemetry say anything, in a process that has not loaded MLflow before."""
    command = [sys.executable, "-c", MAKE, "first"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert made(tmp_path) == [("first", "language/toy")]


def test_four_processes_at_once_make_one_database(tmp_path: Path, environment: dict[str, str]) -> None:
    # They have loaded MLflow, so that nothing comes between their start and the race.
    done = forks.run(MAKE, "made", "{}", folder=tmp_path, environment=environment, at_once=4)
    assert [(each.returncode, each.stdout, each.stderr) for each in done] == [(0, "", "")] * 4
    assert made(tmp_path) == [(str(number), "language/toy") for number in range(4)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".anamnesis", "mlflow.db"]


def test_interrupted_initialisation_leaves_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.store.tracking import sqlalchemy_store

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sqlalchemy_store, "SqlAlchemyStore", killed)
        with pytest.raises(KeyboardInterrupt):
            store.connect(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".anamnesis"]


def test_unreachable_server_is_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(store.TrackingError, match=r"MLflow at http://127\.0\.0\.1:9 cannot be used") as caught:
        store.connect(root)
    assert "\n" not in str(caught.value)
    assert "MLFLOW_TRACKING_URI" in str(caught.value)


def test_database_of_another_version_says_how_to_mend_it(root: Path) -> None:
    with sqlite3.connect(root / "mlflow.db") as database:
        database.execute("update alembic_version set version_num = 'bda7b8c39065'")
    with pytest.raises(store.TrackingError, match="mlflow db upgrade"):
        store.connect(root)


def test_the_run_of_mlflow_run_becomes_the_parent(root, finish, client, monkeypatch) -> None:
    parent = client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", parent)
    finish("toy-a")
    run = projection.project(["toy-a"], root).runs["toy-a"]
    assert run.info.run_id != parent
    assert client.get_run(run.info.run_id).data.tags["mlflow.parentRunId"] == parent
    assert "MLFLOW_RUN_ID" not in os.environ


def test_a_database_elsewhere(root: Path, tmp_path_factory: pytest.TempPathFactory, finish, monkeypatch) -> None:
    other = tmp_path_factory.mktemp("elsewhere") / "runs.db"
    (root / "mlflow.db").rename(other)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")
    finish("toy-a")
    assert projection.project(["toy-a"], root).created == ["toy-a"]
    assert projection.project(["toy-a"], root).unchanged == ["toy-a"]
    assert not (root / "mlflow.db").exists()
