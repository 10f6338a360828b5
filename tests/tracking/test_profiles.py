"""Two profiles share one tracking store, and neither changes runs or models of the other."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from anamnesis import models, params
from anamnesis.errors import AnamnesisError
from anamnesis.tracking import journal, live, registry, store, sync
from anamnesis.tracking.promotion import promote

PLACES = {"language/toy": "language-toy", "seed/language/toy": "seed-language-toy"}


def register(root: Path) -> list[str]:
    return [entry.model for entry in sync.register(params.load(root / "params.yaml"), root)]


def read_store(client: MlflowClient) -> dict[str, Any]:
    """The runs of each MLflow experiment, and versions and aliases of each registered model."""
    runs = {
        each.name: {
            (run.info.run_id, run.info.status, run.info.run_name) for run in client.search_runs([each.experiment_id])
        }
        for each in client.search_experiments()
        if each.name != "Default"
    }
    registered = {
        each.name: (
            sorted((str(v.version), v.run_id) for v in client.search_model_versions(f"name = '{each.name}'")),
            {name: str(number) for name, number in client.get_registered_model(each.name).aliases.items()},
        )
        for each in client.search_registered_models()
    }
    return {"runs": runs, "models": registered}


def test_one_store_separates_both_and_a_second_call_adds_nothing(root, seed, finish, client):
    # The same model has a run in each profile.
    first, second = finish("toy-a"), finish("toy-a", folder=seed)
    assert first["fingerprint"] == second["fingerprint"]
    assert register(root) == ["language-toy"]
    alone = read_store(client)
    assert register(seed) == ["seed-language-toy"]
    both = read_store(client)
    assert set(both["runs"]) == set(PLACES)
    assert set(both["models"]) == set(PLACES.values())
    for experiment, model in PLACES.items():
        ((run, status, name),) = both["runs"][experiment]
        assert (status, name) == ("FINISHED", "toy-a")
        assert both["models"][model] == ([("1", run)], {"challenger": "1", "champion": "1"})
    assert both["runs"]["language/toy"] == alone["runs"]["language/toy"]
    for folder in (root, seed, root, seed):
        sync.sync(folder)
    assert read_store(client) == both
    # The output of DVC does not name the profile.
    written = [(folder / "reports" / "registry.json").read_bytes() for folder in (root, seed)]
    assert written[0] == written[1]
    assert not (seed / "mlflow.db").exists()
    assert not (seed / "mlartifacts").exists()


def test_a_training_in_one_profile_is_not_ended_by_the_other(root, seed, finish, client):
    finish("toy-a")
    settings = params.load(seed / "params.yaml")
    running = live.start("toy-a", settings.experiments["toy-a"], "inputs", seed)
    running.begin("key", resumed=False)
    sync.sync(root)
    assert client.get_run(running.run_id).info.status == "RUNNING"
    assert live.is_training("toy-a", seed)
    assert not live.is_training("toy-a", root)
    running.fail()


def test_champions_come_back_in_both(root, seed, finish, empty_database):
    for folder in (root, seed):
        finish("toy-a", valid=2.5, test=2.5, folder=folder)
        register(folder)
        finish("toy-b", valid=2.25, test=2.25, folder=folder)
        register(folder)
    assert promote("seed-language-toy", root=seed).moved
    shutil.copyfile(empty_database, root / "mlflow.db")
    shutil.rmtree(root / "mlartifacts")
    sync.sync(seed)
    sync.sync(root)
    client = store.connect(root).client
    champions = {name: client.get_model_version_by_alias(name, "champion") for name in PLACES.values()}
    assert {name: version.tags["anamnesis.experiment"] for name, version in champions.items()} == {
        "language-toy": "toy-a",
        "seed-language-toy": "toy-b",
    }
    assert [change["model"] for change in journal.read(root)] == [
        "language-toy",
        "seed-language-toy",
        "seed-language-toy",
    ]
    assert journal.read(seed) == journal.read(root)


def test_references_are_the_same_in_every_folder(root, seed, finish):
    finish("toy-a", seed=1)
    finish("toy-a", seed=2, folder=seed)
    register(root)
    register(seed)
    for here in (root, seed):
        for model, folder in (("language-toy", root), ("seed-language-toy@champion", seed)):
            card = models.read_card(registry.resolve(model, here))
            assert card["fingerprint"] == models.read_card(folder / "models" / "toy-a")["fingerprint"]
    assert registry.only_model("language", root) == "language-toy"
    assert registry.only_model("language", seed) == "seed-language-toy"
    with pytest.raises(AnamnesisError, match="no seed-cloze model is registered"):
        registry.only_model("cloze", seed)
