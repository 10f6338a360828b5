import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from anamnesis.tracking import projection, store


def test_four_processes_at_once_make_one_database(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from anamnesis.tracking.store import connect\n"
        "s = connect(Path(sys.argv[1])); e = s.experiment_id('language/toy')\n"
        "s.client.create_run(e, run_name=sys.argv[2])"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), str(number)],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(4)
    ]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    # Neither migrations nor telemetry say anything.
    assert said == [""] * 4
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        names = database.execute(
            "select r.name, e.name from runs r join experiments e using (experiment_id)"
        ).fetchall()
    assert sorted(names) == [(str(number), "language/toy") for number in range(4)]
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
