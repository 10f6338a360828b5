"""A tracking server that does not answer costs a pipeline one wait, and its address never shows a password."""

import logging
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_server import serving
from requests.exceptions import ConnectionError as NoConnection

from anamnesis import files, params
from anamnesis.errors import AnamnesisError
from anamnesis.tracking import live, pages, promotion, registry, scores, store, sync

SECRETS = ("alice", "s3cr@tpw")


@pytest.fixture
def swallowing(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A server that takes what it is sent and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        yield server


def calls(server: socket.socket) -> int:
    """How many connections were opened since last asked."""
    count = 0
    while select.select([server], [], [], 0.1)[0]:
        server.accept()[0].close()
        count += 1
    return count


def train(root: Path) -> None:
    training = live.start("toy-a", params.load(root / "params.yaml").experiments["toy-a"], "inputs", root)
    training.log({"train_perplexity": 2.0}, 1)
    training.finish("f" * 64)


def test_a_pipeline_waits_once_for_a_server_that_does_not_answer(
    root: Path, swallowing: socket.socket, finish, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finish("toy-a")
    train(root)
    assert calls(swallowing) == 1
    train(root)
    scores.log_result("toy-a", root)
    with pytest.raises(store.TrackingError, match="did not answer 0 minutes ago and is asked again after 10"):
        sync.register(params.load(root / "params.yaml"), root)
    assert calls(swallowing) == 0
    first, second, third = capsys.readouterr().err.splitlines()
    assert "toy-a trains on without live tracking" in first
    assert "did not answer 0 minutes ago" in second
    assert "`anamnesis sync` adds the scores of toy-a later" in third
    # Another server is asked, and so is this one by a person's command, and after a while.
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        scores.log_result("toy-a", root)
        assert capsys.readouterr().err == ""
    asks = (lambda: registry.resolve("language-toy", root), lambda: registry.only_model("language", root))
    for ask in (*asks, lambda: promotion.promote("language-toy", root=root)):
        with pytest.raises(store.TrackingError, match="cannot be used"):
            ask()
        assert calls(swallowing) == 1
    monkeypatch.setattr(store, "OUTAGE_SECONDS", 0)
    train(root)
    assert calls(swallowing) == 1


def test_nothing_that_goes_wrong_with_tracking_fails_a_stage(
    root: Path, finish, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finish("toy-a")

    def refuse(*arguments: object) -> None:
        raise OSError("No locks available, as of http://alice:s3cr@tpw@host/")

    monkeypatch.setattr(scores, "log_results", refuse)
    scores.log_result("toy-a", root)
    said = capsys.readouterr().err
    assert "No locks available" in said
    assert "s3cr" not in said
    # Neither does a note of the outage that cannot be written.
    monkeypatch.setattr(files, "write_json", refuse)
    store.remember_outage(root, "http://host", NoConnection())


def test_a_training_whose_server_goes_away_tells_the_others(root: Path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with serving() as fake:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", fake.address)
        connected = store.connect(root)
        assert store.connect(root).uri == fake.address
    with pytest.raises(store.TrackingError) as caught, store.convert_errors(connected.uri):
        connected.client.search_experiments()
    store.remember_outage(root, connected.uri, caught.value)
    with pytest.raises(store.TrackingError, match="did not answer 0 minutes ago"):
        store.connect(root)


def test_passwords_reach_neither_terminal_nor_files(
    root: Path, finish, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finish("toy-a")
    settings = params.load(root / "params.yaml")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said = []
    # The longest part of a message that is shown is cut after some hundred characters, within the password as well.
    for padding in ("", "x" * 230, "x" * 260):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{':'.join(SECRETS)}{padding}@127.0.0.1:9")
        train(root)
        scores.log_result("toy-a", root)
        for ask in (
            lambda: sync.register(settings, root),
            lambda: promotion.promote("language-toy", root=root),
            lambda: registry.resolve("language-toy", root),
            lambda: pages.serve(root, "127.0.0.1", 0),
        ):
            with pytest.raises(AnamnesisError) as caught:
                ask()
            said.append(str(caught.value))
        files.write_json(store.synced_file(root), sync._results(root))
    with serving() as fake:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", fake.address.replace("://", f"://{':'.join(SECRETS)}@"))
        with pytest.raises(AnamnesisError, match="the runs are kept elsewhere: look at http://127") as caught:
            pages.serve(root, "127.0.0.1", 0)
        said.append(str(caught.value))
    for handler in logging.getLogger("mlflow").handlers:
        record = logging.makeLogRecord({"msg": "asked %s", "args": (os.environ["MLFLOW_TRACKING_URI"],)})
        assert handler.filter(record)
        said.append(record.getMessage())
    output = capsys.readouterr()
    said += [output.out, output.err]
    assert "warning: toy-a trains on without live tracking" in output.err
    said += [path.read_bytes().decode("latin-1") for path in (root / ".anamnesis").rglob("*") if path.is_file()]
    for text in said:
        assert not [part for secret in SECRETS for part in (secret, secret[:4]) if part in text], text
