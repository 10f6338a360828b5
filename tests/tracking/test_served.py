import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from anamnesis import params
from anamnesis.language import generation, saved
from anamnesis.tracking import sync
from anamnesis.training import saved as folders


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def model(root: Path, finish, monkeypatch) -> Path:
    """The packed model of a registered experiment, in a process that may not load pickles."""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    finish("toy-a")
    sync.register(params.load(root / "params.yaml"), root)
    from anamnesis.tracking import store

    return Path(store.connect(root).client.get_model_version("language-toy", "1").source)


def test_texts_in_texts_out(root: Path, model: Path) -> None:
    import mlflow.pyfunc

    loaded = mlflow.pyfunc.load_model(str(model))
    texts = ["it was ", "the "]
    sampling = folders.read_card(root / "models" / "toy-a")["sampling"]
    language_model = saved.load(root / "models" / "toy-a")

    def expected(text: str, **options: object) -> str:
        given = {"length": sampling["length"], "temperature": sampling["temperature"], "top_k": sampling["top_k"]}
        return "".join(generation.generate(language_model, text, **{**given, **options}))

    assert loaded.predict(texts) == [expected(text) for text in texts]
    assert loaded.predict(texts, params={"length": 5, "seed": 3}) == [
        expected(text, length=5, seed=3) for text in texts
    ]
    assert loaded.predict(texts[:1], params={"length": 4, "greedy": True}) == [
        expected(texts[0], length=4, greedy=True)
    ]
    signature = loaded.metadata.signature
    assert [column.type.name for column in signature.inputs] == ["string"]
    assert [column.type.name for column in signature.outputs] == ["string"]
    assert {item.name for item in signature.params} == {"length", "temperature", "top_k", "greedy", "seed"}
    with pytest.raises(Exception, match="temperature: found 0"):
        loaded.predict(texts, params={"temperature": 0.0})


def test_what_is_packed(model: Path) -> None:
    names = {path.name for path in model.rglob("*") if path.is_file()}
    assert {"MLmodel", "served.py", "weights.safetensors", "model.json", "input_example.json"} <= names
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pt", ".bin", ".pyc"))]
    pins = (model / "requirements.txt").read_text().split()
    assert all(pin.count("==") == 1 and "+" not in pin for pin in pins)
    assert {pin.partition("==")[0] for pin in pins} >= {"mlflow", "torch", "numpy", "safetensors"}


def test_an_altered_file_is_refused(model: Path) -> None:
    import mlflow.pyfunc

    (weights,) = model.rglob("weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(Exception, match=r"weights\.safetensors: altered or damaged"):
        mlflow.pyfunc.load_model(str(model))


def test_the_champion_answers_over_http(root: Path, model: Path) -> None:
    # What is served is what is in the registry: the results themselves may be gone.
    shutil.rmtree(root / "models")
    port = free_port()
    command = ["mlflow", "models", "serve", "-m", "models:/language-toy@champion", "--env-manager", "local"]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{root}/mlflow.db",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    log = root / "server.log"
    with open(log, "wb") as output:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            env=environment,
            cwd=root,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        while True:
            assert server.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        request = urllib.request.Request(
            f"{address}/invocations",
            data=json.dumps({"inputs": ["It was "], "params": {"length": 12}}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            (text,) = json.load(answer)["predictions"]
        assert len(text) == 12
        request.data = json.dumps({"inputs": ["It was "], "params": {"temperature": 0}}).encode()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        assert refused.value.code == 400
        assert "temperature: found 0" in refused.value.read().decode()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
