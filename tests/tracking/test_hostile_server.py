"""Responses of a tracking server never decide which files are read or written, nor which model is used."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer, serving

from anamnesis import models as folders
from anamnesis import params
from anamnesis.errors import AnamnesisError
from anamnesis.tracking import live, registry, result_runs, sync
from anamnesis.tracking.store import EXPERIMENT, FINGERPRINT, TrackingError

MLMODEL = "flavors: {python_function: {artifacts: {model: {path: %s}}}}"


@pytest.fixture
def server(root, monkeypatch):
    with serving() as fake:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", fake.address)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        yield fake


def offer_model(server: FakeServer, folder: Path, **changes: Any) -> dict[str, Any]:
    """Let the server respond with the model of a folder as version 1 of language-toy; return that version.

    Args:
        changes: `fingerprint`, `experiment`, `source`, `number`, `place` (in MLmodel), `mlmodel`.
    """
    card = json.loads((folder / "model.json").read_text())
    tags = {
        FINGERPRINT: changes.get("fingerprint", card["fingerprint"]),
        EXPERIMENT: changes.get("experiment", "toy-a"),
    }
    version = {
        "name": "language-toy",
        "version": changes.get("number", "1"),
        "source": changes.get("source", "mlflow-artifacts:/m"),
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    aliases = [{"alias": "champion", "version": changes.get("number", "1")}]
    server.answers |= {
        "registered-models/get": {"registered_model": {"name": "language-toy", "aliases": aliases}},
        "model-versions/get": {"model_version": version},
    }
    server.artifacts = {f"m/artifacts/toy-a/{path.name}": path.read_bytes() for path in folder.iterdir()}
    server.artifacts["m/MLmodel"] = changes.get("mlmodel", MLMODEL % changes.get("place", "artifacts/toy-a")).encode()
    return version


def read_files(root: Path) -> dict[str, bytes]:
    """All files of a project except its working state."""
    paths = [path for path in root.rglob("*") if path.is_file() and ".anamnesis" not in path.parts]
    return {str(path): path.read_bytes() for path in paths}


@pytest.fixture
def model(root, finish, tmp_path_factory):
    """A model folder outside of the project."""
    finish("toy-a")
    (root / "cells").mkdir()
    (root / "cells" / "mgu.py").write_text("mine")
    return Path(shutil.move(root / "models" / "toy-a", tmp_path_factory.mktemp("offered") / "toy-a"))


def alter_card(folder: Path, **entries: Any) -> None:
    """Change a card and its fingerprint."""
    card = json.loads((folder / "model.json").read_text()) | entries
    card["fingerprint"] = folders.fingerprint(card)
    (folder / "model.json").write_text(json.dumps(card))


def test_invalid_tags_paths_and_sizes_are_refused(root, server, model, monkeypatch):
    before = read_files(root)
    elsewhere = f"{model.parent}"
    places = ["../../cells", "/etc", "artifacts/../../../cells", "5", '""', "a/b/c/d/e", "[1]"]
    refused: list[tuple[dict[str, Any], str]] = [
        ({"fingerprint": "../../cells"}, "is not a fingerprint"),
        ({"fingerprint": "A" * 64}, "is not a fingerprint"),
        ({"fingerprint": ""}, "is not a fingerprint"),
        ({"fingerprint": "0" * 64}, "found .*; MLflow states 000000000000"),
        *(
            ({"source": source}, "has artifacts in")
            for source in (
                elsewhere,
                f"file://{elsewhere}",
                "http://127.0.0.1:1/api/2.0/mlflow-artifacts/artifacts/m",
                "mlflow-artifacts://127.0.0.1:1/m",
                "mlflow-artifacts://[::1/m",
                "models:/language-toy/1",
                "ftp://127.0.0.1/m",
            )
        ),
        *(({"place": place}, "MLmodel: this project did not write it") for place in places),
        ({"mlmodel": "[" * 5000}, "MLmodel: this project did not write it"),
        ({"mlmodel": " " * (registry.LARGEST_TEXT + 1)}, "found a larger file; allowed: at most 1,048,576 bytes"),
        ({"number": "1/../2"}, "as the number of a version"),
    ]
    for changes, message in refused:
        offer_model(server, model, **changes)
        with pytest.raises(AnamnesisError, match=message):
            registry.resolve("language-toy", root)
    assert read_files(root) == before
    # An invalid experiment name is ignored.
    offer_model(server, model, experiment="../../cells")
    assert registry.resolve("language-toy", root).parent == root / ".anamnesis" / "registry"
    monkeypatch.setattr(registry, "LARGEST_FILE", 10)
    shutil.rmtree(root / ".anamnesis" / "registry")
    with pytest.raises(AnamnesisError, match=r"weights\.safetensors: found a larger file; allowed: at most 10 bytes"):
        registry.resolve("language-toy", root)
    assert list((root / ".anamnesis" / "registry").iterdir()) == []
    assert read_files(root) == before


@pytest.mark.parametrize("name", ["..", "../../../cells/mgu.py", "/etc/passwd", "\x00"])
def test_a_card_names_only_plain_files(root, server, model, name):
    alter_card(model, files=[name])
    offer_model(server, model)
    before = read_files(root)
    with pytest.raises(AnamnesisError, match=r"as a file; allowed|holds no names of files"):
        registry.resolve("language-toy", root)
    assert read_files(root) == before


def test_a_download_and_its_cache_are_the_model_of_the_tag(root, server, model):
    fingerprint = offer_model(server, model)["tags"][0]["value"]
    server.artifacts["m/artifacts/toy-a/weights.safetensors"] += b"?"
    with pytest.raises(AnamnesisError, match="altered or damaged"):
        registry.resolve("language-toy", root)
    offer_model(server, model)
    cached = registry.resolve("language-toy", root)
    assert folders.read(cached)[0]["fingerprint"] == fingerprint
    asked = len(server.requests)
    assert registry.resolve("language-toy", root) == cached
    assert not any("artifacts" in request for request in server.requests[asked:])
    # A cached folder with another model is downloaded again.
    alter_card(cached, parameters=1)
    assert registry.resolve("language-toy", root) == cached
    assert folders.read(cached)[0]["fingerprint"] == fingerprint


def test_links_are_not_followed(root, finish, tmp_path_factory):
    finish("toy-a")
    sync.register(params.load(root / "params.yaml"), root)
    elsewhere = Path(shutil.move(root / "models" / "toy-a", tmp_path_factory.mktemp("elsewhere")))
    (packed,) = (root / "mlartifacts").rglob("artifacts/toy-a")
    shutil.rmtree(packed)
    packed.symlink_to(elsewhere)
    with pytest.raises(AnamnesisError, match="its files are gone"):
        registry.resolve("language-toy", root)


def test_artifacts_are_not_written_to_a_folder_of_this_machine(root, server, finish, capsys):
    card = finish("toy-a")
    before = read_files(root)
    info = {"run_id": "1", "experiment_id": "1", "status": "RUNNING", "artifact_uri": f"file://{root}/models/toy-a"}
    run = {"info": info, "data": {"tags": [{"key": FINGERPRINT, "value": card["fingerprint"]}]}}
    experiment = {"experiment_id": "1", "name": "language/toy", "artifact_location": "mlflow-artifacts:/1"}
    server.answers |= {
        "experiments/get-by-name": {"experiment": experiment},
        "runs/create": {"run": run},
        "runs/get": {"run": run},
        "runs/search": {"runs": [run]},
    }
    training = live.start("toy-a", params.load(root / "params.yaml").experiments["toy-a"], "inputs", root)
    training.sample("x", 1)
    training.fail()
    assert "has artifacts in" in capsys.readouterr().err
    with pytest.raises(TrackingError, match="has artifacts in"):
        result_runs.sync_runs(["toy-a"], root)
    server.answers["experiments/get-by-name"] = {"experiment": experiment | {"artifact_location": str(root)}}
    with pytest.raises(TrackingError, match="has artifacts in"):
        result_runs.sync_runs(["toy-a"], root)
    assert read_files(root) == before


def test_invalid_names_are_not_printed(root, server):
    names = ["language-toy\x1b[2J", "language-toy\n", "language-toys"]
    server.answers |= {
        "registered-models/search": {"registered_models": [{"name": name} for name in names]},
        "registered-models/get": {"registered_model": {"name": "language-toy", "aliases": [{"alias": "\x1b[2J"}]}},
    }
    assert registry.only_model("language", root) == "language-toys"
    with pytest.raises(AnamnesisError, match=r"allowed: \(none\)$"):
        registry.resolve("language-toy", root)
