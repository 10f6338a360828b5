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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import toy_pairs

from anamnesis import params
from anamnesis.language import generation, saved
from anamnesis.tracking import sync
from anamnesis.training import saved as folders
from anamnesis.translation import saved as translators


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


@contextmanager
def served(root: Path, name: str) -> Iterator[Callable[..., list[str]]]:
    """`mlflow models serve` of a model's champion; a function that asks it: texts and options in, its answers out."""
    port = free_port()
    command = ["mlflow", "models", "serve", "-m", f"models:/{name}@champion", "--env-manager", "local"]
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
    address = f"http://127.0.0.1:{port}"

    def ask(*texts: str, **options: object) -> list[str]:
        request = urllib.request.Request(
            f"{address}/invocations",
            data=json.dumps({"inputs": texts, "params": options}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["predictions"]

    try:
        while True:
            assert server.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        yield ask
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def test_the_champion_answers_over_http(root: Path, model: Path) -> None:
    # What is served is what is in the registry: the results themselves may be gone.
    shutil.rmtree(root / "models")
    with served(root, "language-toy") as ask:
        (text,) = ask("It was ", length=12)
        assert len(text) == 12
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask("It was ", temperature=0)
        assert refused.value.code == 400
        assert "temperature: found 0" in refused.value.read().decode()


# --- translation

TEXTS = ["The cat sleeps.", "", "A\x00 dog\x1b runs \ud800 to\nthe house.", "zxc qwe"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_pairs.make(tmp_path_factory.mktemp("pairs") / "toy")


@pytest.fixture
def translation(
    pairs: Path, tmp_path: Path, empty_database: Path, monkeypatch, request: pytest.FixtureRequest
) -> tuple[Path, translators.Translator]:
    """A project in which the best translator is the one that the test names, registered; and that translator."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    root = shutil.copytree(pairs, tmp_path / "copy")
    for path in (root / "metrics").iterdir():
        if path.stem != request.param:
            path.unlink()
    shutil.copyfile(empty_database, root / "mlflow.db")
    (registered,) = sync.register(params.load(root / "params.yaml"), root)
    assert (registered.model, registered.experiment) == ("translation-toy", request.param)
    return root, translators.load(root / "models" / request.param)


@pytest.mark.parametrize("translation", ["toy-nearest", "toy-seq2seq", "toy-attention"], indirect=True)
def test_sentences_in_translations_out(translation) -> None:
    import mlflow.pyfunc

    from anamnesis.tracking import store

    root, translator = translation
    packed = Path(store.connect(root).client.get_model_version("translation-toy", "1").source)
    # It needs nothing of the project, not even its folder.
    packed = Path(shutil.move(packed, root.parent / "packed"))
    shutil.rmtree(root)
    assert not [path for path in packed.rglob("*") if path.suffix in (".pkl", ".pickle", ".pt", ".bin", ".pyc")]
    pins = {pin.partition("==")[0] for pin in (packed / "requirements.txt").read_text().split()}
    assert {"mlflow", "torch", "numpy", "safetensors", "scikit-learn"} <= pins
    loaded = mlflow.pyfunc.load_model(str(packed))
    for options, beam in (({}, translator.card["search"]["beam"]), ({"beam": 1}, 1), ({"beam": 7}, 7)):
        expected = [found[0].text for found in translator.translate(TEXTS, beam)]
        assert loaded.predict(TEXTS, params=options) == expected
    assert {item.name for item in loaded.metadata.signature.params} == {"beam"}
    assert [column.type.name for column in loaded.metadata.signature.outputs] == ["string"]


@pytest.mark.parametrize("translation", ["toy-attention"], indirect=True)
def test_a_translator_answers_over_http(translation) -> None:
    root, translator = translation
    shutil.rmtree(root / "models")
    with served(root, "translation-toy") as ask:
        assert ask(*TEXTS) == [found[0].text for found in translator.translate(TEXTS, 4)]
        greedy = [found[0].text for found in translator.translate(TEXTS[:1], 1)]
        assert ask(TEXTS[0], beam=1) == greedy
        for texts, options, said in (
            (TEXTS[:1], {"beam": 0}, "beam: found 0; allowed: from 1 to 100"),
            (TEXTS[:1], {"beam": 100000}, "beam: found 100000; allowed: from 1 to 100"),
            ([*TEXTS, "word " * 10_000], {}, "text 5 has "),
        ):
            with pytest.raises(urllib.error.HTTPError) as refused:
                ask(*texts, **options)
            assert said in refused.value.read().decode()
            assert refused.value.code == 400
        # It is still there.
        assert ask(TEXTS[0], beam=1) == greedy
