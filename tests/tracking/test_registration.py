"""Registered models: versions, aliases and references to them, also after deletions and interruptions."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from anamnesis import models, params
from anamnesis.errors import AnamnesisError
from anamnesis.tracking import journal, selection, sync
from anamnesis.tracking.registry import only_model, resolve


def register(root: Path) -> dict[str, selection.Registered]:
    return {entry.model: entry for entry in sync.register(params.load(root / "params.yaml"), root)}


def versions(client: MlflowClient, model: str = "language-toy") -> dict[str, str]:
    """The experiment of each version."""
    hits = client.search_model_versions(f"name = '{model}'")
    return {str(version.version): version.tags["anamnesis.experiment"] for version in hits}


def test_versions_and_aliases(root, finish, client):
    card = finish("toy-a", valid=2.5, test=2.75)
    first = register(root)["language-toy"]
    assert str(first) == "toy-a, valid bits_per_character 2.5, challenger version 1, champion version 1"
    version = client.get_model_version_by_alias("language-toy", "champion")
    assert version.tags["anamnesis.fingerprint"] == card["fingerprint"]
    assert (version.tags["anamnesis.valid_score"], version.tags["anamnesis.test_score"]) == ("2.5", "2.75")
    question = json.loads((root / "metrics" / "toy-a.json").read_text())["question"]
    assert version.tags["anamnesis.question"] == question["test"]
    assert version.tags["anamnesis.asked"] == question["asked"]
    # A better model becomes challenger, and champion only after a promotion.
    finish("toy-b", valid=2.25)
    second = register(root)["language-toy"]
    assert (second.challenger, second.champion) == ("2", "1")
    assert register(root)["language-toy"] == second
    assert versions(client) == {"1": "toy-a", "2": "toy-b"}
    # Without the better result, the alias moves back.
    shutil.rmtree(root / "models" / "toy-b")
    assert register(root)["language-toy"].challenger == "1"
    assert versions(client) == {"1": "toy-a", "2": "toy-b"}


def test_registry_json_does_not_depend_on_mlflow_and_lists_models_that_are_not_registered(root, finish, client):
    finish("toy-a", valid=2.5, asked="windows of 5")
    for name in ("toy-b", "toy-c"):
        finish(name, valid=1.0, asked="windows of 2")
    register(root)
    first = (root / "reports" / "registry.json").read_bytes()
    client.delete_registered_model("language-toy")
    register(root)
    assert (root / "reports" / "registry.json").read_bytes() == first
    (entry,) = json.loads(first)["models"]
    assert {"model", "experiment", "fingerprint", "metric", "score"} <= entry.keys()
    assert "version" not in entry
    (line,) = selection.describe_left_out(root)
    assert line.startswith("language-toy: not registered: toy-a, the best of those asked 'windows of 5'")


def test_a_champion_without_a_result_is_replaced_with_a_note(root, finish, empty_database):
    finish("toy-a", valid=2.5)
    register(root)
    finish("toy-a", valid=2.5, seed=2)
    shutil.copyfile(empty_database, root / "mlflow.db")
    entry = register(root)["language-toy"]
    assert (entry.challenger, entry.champion) == ("1", "1")
    assert "toy-a, has no result here any more" in entry.note
    assert len(journal.read(root)) == 2


def test_deleted_files_and_deleted_runs_are_registered_again(root, finish, client):
    finish("toy-a")
    register(root)
    shutil.rmtree(root / "mlartifacts")
    register(root)
    version = client.get_model_version("language-toy", "1")
    assert (Path(version.source) / "MLmodel").is_file()
    client.delete_run(version.run_id)
    entry = register(root)["language-toy"]
    assert (entry.challenger, entry.champion) == ("2", "2")
    assert register(root)["language-toy"] == entry


def test_an_interrupted_registration_is_completed_by_the_next_call(root, finish, client, monkeypatch):
    finish("toy-a")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for failing in ("create_model_version", "set_registered_model_alias"):
        with monkeypatch.context() as patch:
            patch.setattr(MlflowClient, failing, interrupt)
            with pytest.raises(KeyboardInterrupt):
                register(root)
    entry = register(root)["language-toy"]
    assert (entry.challenger, entry.champion) == ("1", "1")
    assert versions(client) == {"1": "toy-a"}


def test_a_reference_becomes_the_folder_of_that_model(root, finish, capsys):
    settings = params.load(root / "params.yaml")
    first = finish("toy-a", valid=2.5)["fingerprint"]
    sync.register(settings, root)
    second = finish("toy-b", valid=2.0)["fingerprint"]
    sync.register(settings, root)
    expected = {
        "language-toy": first,
        "language-toy@champion": first,
        "language-toy@challenger": second,
        "language-toy/1": first,
        "models:/language-toy/2": second,
    }
    capsys.readouterr()
    assert resolve("language-toy", root) == root / "models" / "toy-a"
    assert capsys.readouterr().err == (
        "note: language-toy@champion is version 1 (toy-a); version 2 (toy-b) is the challenger: "
        "`anamnesis promote language-toy`\n"
    )
    for reference in ("language-toy@challenger", "language-toy/1"):
        resolve(reference, root)
    assert capsys.readouterr().err == ""
    # Without the same model in models/, MLflow's copy is used.
    finish("toy-a", valid=2.5, seed=2)
    shutil.rmtree(root / "models" / "toy-b")
    assert {name: models.read(resolve(name, root))[0]["fingerprint"] for name in expected} == expected
    shutil.rmtree(root / "mlartifacts")
    with pytest.raises(AnamnesisError, match=r"language-toy version 2: its files are gone .*anamnesis sync"):
        resolve("language-toy/2", root)


def test_the_only_model_of_a_task_needs_no_name(root, finish):
    finish("toy-a")
    sync.register(params.load(root / "params.yaml"), root)
    assert only_model("language", root) == "language-toy"
    with pytest.raises(AnamnesisError, match=r"no cloze model is registered; .*anamnesis repro.* --model EXPERIMENT$"):
        only_model("cloze", root)
    finish("other-a")
    sync.register(params.load(root / "params.yaml"), root)
    with pytest.raises(AnamnesisError, match=r"language-other, language-toy; .* --model language-other@champion$"):
        only_model("language", root)
