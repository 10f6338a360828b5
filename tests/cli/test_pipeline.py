"""`anamnesis repro`: what it does beside running stages."""

from anamnesis import files
from anamnesis.cli import pipeline


def test_repro_syncs_only_what_is_not_yet(root, monkeypatch, capsys):
    from anamnesis import repro
    from anamnesis.report import terminal
    from anamnesis.tracking import sync

    changed, calls = [True, False, False, False], []
    monkeypatch.chdir(root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(repro, "run", lambda root, targets, jobs, console: changed.pop(0))
    monkeypatch.setattr(sync, "sync", lambda root: calls.append("sync"))
    monkeypatch.setattr(terminal, "print_leaderboard", lambda root: print("the leaderboard"))
    (root / "mlflow.db").touch()
    pipeline.repro(None, 1)
    pipeline.repro(None, 1)
    assert calls == ["sync"]
    (root / "mlflow.db").unlink()
    pipeline.repro(None, 1)
    (root / "mlflow.db").touch()
    files.write_text(root / "dvc.lock", "schema: '2.0'\n")
    pipeline.repro(None, 1)
    assert calls == ["sync"] * 3
    said = capsys.readouterr().out
    assert said.count("the leaderboard") == 4
    assert said.count("reports/index.html") == 4
