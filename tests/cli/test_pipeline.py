"""`anamnesis repro`: synchronisation with MLflow and the printed leaderboard."""

from anamnesis import files
from anamnesis.cli import pipeline


def test_ctrl_c_says_how_to_continue(run, monkeypatch):
    from anamnesis.engine import run as engine

    def interrupt(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "repro", interrupt)
    result = run("repro")
    assert result.exit_code == 130
    assert "run the command again to continue" in result.stderr


def test_repro_syncs_only_after_changes(root, monkeypatch, capsys):
    from anamnesis.engine import run
    from anamnesis.report import terminal
    from anamnesis.tracking import result_runs, sync
    from anamnesis.tracking.store import TrackingError

    calls = []
    monkeypatch.chdir(root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setattr(run, "repro", lambda root, targets, jobs, console: True)
    monkeypatch.setattr(sync, "sync_runs", lambda names, root: calls.append("sync") or result_runs.Summary())
    monkeypatch.setattr(sync, "select_best", lambda settings, root: {"models": []})
    monkeypatch.setattr(terminal, "print_leaderboard", lambda root: print("the leaderboard"))
    (root / "mlflow.db").touch()
    pipeline.repro(None, 1)
    pipeline.repro(None, 1)
    assert calls == ["sync"]
    (root / "mlflow.db").unlink()
    pipeline.repro(None, 1)
    (root / "mlflow.db").touch()
    files.write_text(root / "metrics" / "another.json", "{}")
    pipeline.repro(None, 1)
    settings = (root / "params.yaml").read_text(encoding="utf-8")
    files.write_text(root / "params.yaml", f"{settings}# other experiments may compete now\n")
    pipeline.repro(None, 1)
    pipeline.repro(None, 1)
    assert calls == ["sync"] * 4

    def unreachable(settings, root):
        raise TrackingError("MLflow at http://127.0.0.1:9 cannot be used: down")

    monkeypatch.setattr(sync, "select_best", unreachable)
    files.write_text(root / "metrics" / "another.json", "[]")
    pipeline.repro(["evaluate"], 1)
    read = capsys.readouterr()
    assert read.err.endswith("cannot be used: down; `anamnesis sync` logs the results later\n")
    said = read.out
    assert said.count("the leaderboard") == 6
    assert said.count("reports/index.html") == 6
