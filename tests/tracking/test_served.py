"""Registered models as pyfunc, in this process and over HTTP."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from fake_server import running_server

from anamnesis import models as folders
from anamnesis import params
from anamnesis.tasks.language.model.generation import generate
from anamnesis.tracking import sync


@pytest.fixture
def model(root, finish, monkeypatch):
    """The pyfunc of a registered experiment, in a process that may not load pickles."""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    finish("toy-a")
    sync.register(params.load(root / "params.yaml"), root)
    from anamnesis.tracking import store

    return Path(store.connect(root).client.get_model_version("language-toy", "1").source)


def test_the_pyfunc_answers_texts_with_texts(root, model):
    import mlflow.pyfunc

    loaded = mlflow.pyfunc.load_model(str(model))
    texts = ["it was ", "the "]
    sampling = folders.read_card(root / "models" / "toy-a")["sampling"]
    language_model = folders.load(root / "models" / "toy-a")

    def expected(text: str, **options: object) -> str:
        given = {"length": sampling["length"], "temperature": sampling["temperature"], "top_k": sampling["top_k"]}
        return "".join(generate(language_model, text, **{**given, **options}))

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
    with pytest.raises(Exception, match=r"^temperature: found 0\.0; allowed: from 1e-06 to 1e\+06$"):
        loaded.predict(texts, params={"temperature": 0.0})


def test_the_pyfunc_needs_no_pickle(model):
    names = {path.name for path in model.rglob("*") if path.is_file()}
    assert {"MLmodel", "served.py", "weights.safetensors", "model.json", "input_example.json"} <= names
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pt", ".bin", ".pyc"))]
    pins = (model / "requirements.txt").read_text().split()
    assert all(pin.count("==") == 1 and "+" not in pin for pin in pins)
    assert {pin.partition("==")[0] for pin in pins} >= {"mlflow", "torch", "numpy", "safetensors"}


class Server:
    """The process and address of `mlflow models serve`."""

    def __init__(self, process: subprocess.Popen[bytes], address: str) -> None:
        self.process, self.address = process, address

    def ask(self, *texts: str, **options: object) -> list[str]:
        request = urllib.request.Request(
            f"{self.address}/invocations",
            data=json.dumps({"inputs": texts, "params": options}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["predictions"]

    def refusal(self, *texts: str, **options: object) -> tuple[int, dict[str, str]]:
        """The status and the body of the response to a request that is refused."""
        with pytest.raises(urllib.error.HTTPError) as refused:
            self.ask(*texts, **options)
        return refused.value.code, json.loads(refused.value.read())

    def running(self) -> list[int]:
        """The processes of the group that are running."""
        processes = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                # After the name, in parentheses: state, parent, process group.
                state, _, group = path.read_text().rpartition(")")[2].split()[:3]
                if int(group) == self.process.pid and state != "Z":
                    processes.append(int(path.parent.name))
        return processes


@contextmanager
def served(root: Path, name: str, **environment: str) -> Iterator[Server]:
    """A server of a model's champion until the block ends."""
    command = ["mlflow", "models", "serve", "-m", f"models:/{name}@champion", "--env-manager", "local"]
    environment |= {
        "MLFLOW_TRACKING_URI": f"sqlite:///{root}/mlflow.db",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    with running_server([*command, "--workers", "1"], root, "/ping", **environment) as (process, address):
        yield Server(process, address)


def test_the_champion_answers_over_http_and_stops_during_a_request(root, model):
    # The server needs only the registry.
    shutil.rmtree(root / "models")
    with served(root, "language-toy", ANAMNESIS_TIME_LIMIT="600") as server:
        (text,) = server.ask("It was ", length=12)
        assert len(text) == 12
        for texts, options, said in (
            (["It was "], {"temperature": 0}, "temperature: found 0.0; allowed: from 1e-06 to 1e+06"),
            (["ok", "x" * 100_001], {}, "text 2: found 100,001 characters; allowed: at most 100,000"),
        ):
            code, body = server.refusal(*texts, **options)
            assert (code, body["error_code"], body["message"]) == (400, "INVALID_PARAMETER_VALUE", said)
            assert "stack_trace" not in body
        with ThreadPoolExecutor() as pool:
            # This request would take minutes.
            asked = pool.submit(server.ask, *(["It was "] * 1_000), length=10_000)
            time.sleep(1)
            assert server.running()
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(timeout=60)
            end = time.monotonic() + 60
            while server.running() and time.monotonic() < end:
                time.sleep(0.1)
            assert server.running() == []
            assert isinstance(asked.exception(), OSError)


def test_a_request_ends_at_the_time_limit_in_one_line(root, model, monkeypatch):
    import mlflow.pyfunc
    from mlflow.exceptions import MlflowException

    loaded = mlflow.pyfunc.load_model(str(model))
    monkeypatch.setenv("ANAMNESIS_TIME_LIMIT", "0.05")
    with pytest.raises(MlflowException) as refused:
        loaded.predict(["it was "] * 1_000, params={"length": 10_000})
    assert refused.value.error_code == "DEADLINE_EXCEEDED"
    assert str(refused.value) == "found no answer in 0.05 seconds, the time limit of a request; ask for less"
