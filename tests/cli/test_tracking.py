"""`anamnesis promote` and `anamnesis sync`."""

from shell import anamnesis

from anamnesis.cli import tracking


def test_promote_passes_force_and_reason(root, monkeypatch, capsys):
    from anamnesis.tracking import promotion

    monkeypatch.chdir(root)
    monkeypatch.setattr(promotion, "promote", lambda *arguments: arguments[:3])
    tracking.promote("language-hello")
    tracking.promote("language-hello", True, " smaller ")
    assert capsys.readouterr().out == "('language-hello', False, None)\n('language-hello', True, 'smaller')\n"
    forced = anamnesis(root, "promote", "language-hello", "--force")
    assert (forced.returncode, forced.stderr) == (2, "error: --force needs --reason 'why'\n")


def test_sync_twice_adds_nothing(root, tmp_path):
    database = f"sqlite:///{tmp_path}/mlflow.db"
    first = anamnesis(root, "sync", MLFLOW_TRACKING_URI=database)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("runs in MLflow: 1 created")
    second = anamnesis(root, "sync", MLFLOW_TRACKING_URI=database)
    assert second.stdout.startswith("runs in MLflow: 0 created, 0 completed, 1 unchanged")
