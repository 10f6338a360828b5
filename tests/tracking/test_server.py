"""Live runs, registration and promotion with a real tracking server, which stores the artifacts."""

import shutil
import sys

import pytest
from fake_server import running_server

from anamnesis import models, params
from anamnesis.tracking import live, promotion, registry, result_runs, sync


@pytest.fixture
def server(root, tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("server")
    (root / "mlflow.db").rename(folder / "server.db")
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with running_server(command, folder, "/health", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false") as (_, address):
        # The server asks for no password; a proxy in front of it may.
        with_password = address.replace("//", "//alice:s3cretpw@")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", with_password)
        yield with_password


def test_all_steps_with_a_server(root, server, finish, capsys):
    settings = params.load(root / "params.yaml")
    card = finish("toy-a", valid=2.5, test=2.5)
    run = live.start("toy-a", settings.experiments["toy-a"], card["inputs"], root)
    run.begin("key", resumed=False)
    run.log({"train_perplexity": 20.0}, 1)
    run.sample("it was", 1)
    run.finish(card["fingerprint"])
    assert result_runs.sync_runs(["toy-a"], root).completed == ["toy-a"]
    sync.register(settings, root)
    better = finish("toy-b", valid=2.25, test=2.25)
    for _ in range(2):
        (entry,) = sync.register(settings, root)
        assert (entry.challenger, entry.champion) == ("2", "1")
    assert len(sync.sync(root).runs.unchanged) == 2
    assert promotion.promote("language-toy", root=root).moved
    shutil.rmtree(root / "models")
    folder = registry.resolve("language-toy", root)
    assert models.read(folder)[0]["fingerprint"] == better["fingerprint"]
    assert registry.resolve("language-toy@champion", root) == folder
    assert not (root / "mlflow.db").exists()
    assert not (root / "mlartifacts").exists()
    output = capsys.readouterr()
    assert output.out + output.err == ""
    paths = [path for path in root.rglob("*") if path.is_file()]
    assert [path for path in paths if b"s3cretpw" in path.read_bytes()] == []
