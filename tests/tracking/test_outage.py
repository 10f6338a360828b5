"""A pipeline waits once for a tracking server that does not respond, and passwords appear nowhere."""

import logging
import os
import select
import socket
from pathlib import Path

import pytest
from fake_server import serving
from requests.exceptions import ConnectionError as NoConnection

from anamnesis import files, params
from anamnesis.errors import AnamnesisError
from anamnesis.tracking import live, pages, promotion, registry, scores, store, sync

SECRETS = ("alice", "s3cr@tpw")


@pytest.fixture
def silent_server(root, monkeypatch):
    """A server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        yield server


def count_connections(server: socket.socket) -> int:
    """The number of connections since the last call."""
    count = 0
    while select.select([server], [], [], 0.1)[0]:
        server.accept()[0].close()
        count += 1
    return count


def train(root: Path) -> None:
    training = live.start("toy-a", params.load(root / "params.yaml").experiments["toy-a"], "inputs", root)
    training.log({"train_perplexity": 2.0}, 1)
    training.finish("f" * 64)


def test_a_pipeline_waits_once_for_a_silent_server(root, silent_server, finish, monkeypatch, capsys):
    finish("toy-a")
    train(root)
    assert count_connections(silent_server) == 1
    train(root)
    scores.log_result("toy-a", root)
    with pytest.raises(store.TrackingError, match="did not respond 0 minutes ago; stages retry after 10 minutes"):
        sync.register(params.load(root / "params.yaml"), root)
    assert count_connections(silent_server) == 0
    first, second, third = capsys.readouterr().err.splitlines()
    assert "toy-a continues to train without live tracking" in first
    assert "did not respond 0 minutes ago" in second
    assert "`anamnesis sync` logs the scores of toy-a later" in third
    # Another server is called, a person's command calls this one again, and so does a stage after some time.
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        scores.log_result("toy-a", root)
        assert capsys.readouterr().err == ""
    for call in (
        lambda: registry.resolve("language-toy", root),
        lambda: registry.only_model("language", root),
        lambda: promotion.promote("language-toy", root=root),
    ):
        with pytest.raises(store.TrackingError, match="cannot be used"):
            call()
        assert count_connections(silent_server) == 1
    monkeypatch.setattr(store, "OUTAGE_SECONDS", 0)
    train(root)
    assert count_connections(silent_server) == 1


def test_no_failure_of_tracking_fails_a_stage(root, finish, monkeypatch, capsys):
    finish("toy-a")

    def fail(*arguments: object) -> None:
        raise OSError("No locks available, as of http://alice:s3cr@tpw@host/")

    monkeypatch.setattr(scores, "log_results", fail)
    scores.log_result("toy-a", root)
    message = capsys.readouterr().err
    assert "No locks available" in message
    assert "s3cr" not in message
    monkeypatch.setattr(files, "write_json", fail)
    store.remember_outage(root, "http://host", NoConnection())


def test_passwords_appear_neither_on_the_terminal_nor_in_files(root, finish, monkeypatch, capsys):
    finish("toy-a")
    settings = params.load(root / "params.yaml")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    texts = []
    # Long messages are shortened after some hundred characters, also within a password.
    for padding in ("", "x" * 230, "x" * 260):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{':'.join(SECRETS)}{padding}@127.0.0.1:9")
        train(root)
        scores.log_result("toy-a", root)
        for call in (
            lambda: sync.register(settings, root),
            lambda: promotion.promote("language-toy", root=root),
            lambda: registry.resolve("language-toy", root),
            lambda: pages.serve(root, "127.0.0.1", 0),
        ):
            with pytest.raises(AnamnesisError) as caught:
                call()
            texts.append(str(caught.value))
        files.write_json(store.synced_file(root), sync._digests(root))
    assert all("\n" not in text for text in texts)
    with serving() as fake:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", fake.address.replace("://", f"://{':'.join(SECRETS)}@"))
        with pytest.raises(AnamnesisError, match="the runs are on a tracking server: open http://127") as caught:
            pages.serve(root, "127.0.0.1", 0)
        texts.append(str(caught.value))
    for handler in logging.getLogger("mlflow").handlers:
        record = logging.makeLogRecord({"msg": "asked %s", "args": (os.environ["MLFLOW_TRACKING_URI"],)})
        assert handler.filter(record)
        texts.append(record.getMessage())
    output = capsys.readouterr()
    texts += [output.out, output.err]
    assert "warning: toy-a continues to train without live tracking" in output.err
    texts += [path.read_bytes().decode("latin-1") for path in (root / ".anamnesis").rglob("*") if path.is_file()]
    for text in texts:
        assert not [part for secret in SECRETS for part in (secret, secret[:4]) if part in text], text
