import json
import math
import shutil
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from anamnesis import models as folders
from anamnesis import params
from anamnesis.errors import AnamnesisError
from anamnesis.tracking import journal, registration, sync


def choose(root: Path) -> dict[str, tuple[str, float]]:
    entries = registration.choose(params.load(root / "params.yaml"), root)["models"]
    return {entry["model"]: (entry["experiment"], entry["score"]) for entry in entries}


def register(root: Path) -> dict[str, registration.Registered]:
    return {entry.model: entry for entry in sync.register(params.load(root / "params.yaml"), root)}


def versions(client: MlflowClient, model: str = "language-toy") -> dict[str, str]:
    """Version -> experiment."""
    found = client.search_model_versions(f"name = '{model}'")
    return {str(version.version): version.tags["anamnesis.experiment"] for version in found}


def test_the_best_validation_score_wins_in_each_corpus(root: Path, finish) -> None:
    finish("toy-a", valid=2.5, test=1.0)
    finish("toy-b", valid=2.25, test=9.0)
    finish("toy-c", valid=2.75, test=0.5)
    finish("other-a", valid=7.0)
    assert choose(root) == {"language-other": ("other-a", 7.0), "language-toy": ("toy-b", 2.25)}


@pytest.mark.parametrize("score", [None, "2.0", True, "NaN"])
def test_a_score_that_is_no_number_never_wins(root: Path, finish, score: object) -> None:
    finish("toy-a", valid=2.5)
    finish("toy-b", valid=2.0)
    path = root / "metrics" / "toy-b.json"
    content = json.loads(path.read_text())
    content["valid"]["bits_per_character"] = math.nan if score == "NaN" else score
    path.write_text(json.dumps(content))
    assert choose(root) == {"language-toy": ("toy-a", 2.5)}


def test_who_is_no_candidate(root: Path, finish) -> None:
    finish("toy-a", valid=2.5)
    finish("toy-b", valid=1.0)
    (root / "metrics" / "toy-b.json").unlink()
    finish("toy-c", valid=1.0)
    stale = (root / "metrics" / "toy-c.json").read_text()
    finish("toy-c", valid=1.0, seed=2)
    (root / "metrics" / "toy-c.json").write_text(stale)
    assert choose(root) == {"language-toy": ("toy-a", 2.5)}


def test_equal_scores_go_to_the_first_name(root: Path, finish) -> None:
    for name in ("toy-c", "toy-b"):
        finish(name, valid=2.5)
    assert choose(root) == {"language-toy": ("toy-b", 2.5)}


def test_only_scores_of_one_question_rank_and_the_others_are_named(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a", valid=2.5, asked="windows of 5")
    finish("toy-b", valid=1.0, asked="windows of 2")
    # Of as many entrants the first in params.yaml.
    assert choose(root) == {"language-toy": ("toy-a", 2.5)}
    assert registration.choose(params.load(root / "params.yaml"), root)["left_out"][0]["experiment"] == "toy-b"
    finish("toy-c", valid=2.0, asked="windows of 2")
    register(root)
    assert choose(root) == {"language-toy": ("toy-b", 1.0)}
    assert versions(client) == {"1": "toy-b"}
    [line] = registration.left_out(root)
    assert line.startswith("language-toy: not registered: toy-a, the best of those asked 'windows of 5'")


def test_metrics_that_state_no_question_are_no_candidate(root: Path, finish) -> None:
    finish("toy-a", valid=2.5)
    finish("toy-b", valid=1.0)
    path = root / "metrics" / "toy-b.json"
    content = json.loads(path.read_text())
    del content["question"]
    path.write_text(json.dumps(content))
    assert choose(root) == {"language-toy": ("toy-a", 2.5)}


def test_seeds_compete_by_their_mean_and_the_best_of_them_is_entered(root: Path, finish) -> None:
    content = yaml.safe_load((root / "params.yaml").read_text())
    plain = content["experiments"]["toy-a"]
    content["experiments"]["toy-b"] = {**plain, "seed": 2}
    content["experiments"]["toy-c"] = {**plain, "model": {"architecture": "ngram", "order": 2}}
    (root / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    finish("toy-a", valid=3.0)
    finish("toy-b", valid=2.0, seed=2)
    # Better than the mean of the two, 2.5, though not than the luckier of them.
    finish("toy-c", valid=2.25)
    assert choose(root) == {"language-toy": ("toy-c", 2.25)}
    finish("toy-c", valid=2.75)
    assert choose(root) == {"language-toy": ("toy-b", 2.0)}


def test_registry_json_says_the_same_whatever_mlflow_holds(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a", valid=2.5)
    register(root)
    first = (root / "reports" / "registry.json").read_bytes()
    client.delete_registered_model("language-toy")
    register(root)
    assert (root / "reports" / "registry.json").read_bytes() == first
    (entry,) = json.loads(first)["models"]
    assert {"model", "experiment", "fingerprint", "metric", "score"} <= entry.keys()
    assert "version" not in entry


def test_versions_and_aliases(root: Path, finish, client: MlflowClient) -> None:
    card = finish("toy-a", valid=2.5, test=2.75)
    first = register(root)["language-toy"]
    assert (first.challenger, first.champion) == ("1", "1")
    assert str(first) == "toy-a, valid bits_per_character 2.5, challenger version 1, champion version 1"
    version = client.get_model_version_by_alias("language-toy", "champion")
    assert version.tags["anamnesis.fingerprint"] == card["fingerprint"]
    assert (version.tags["anamnesis.valid_score"], version.tags["anamnesis.test_score"]) == ("2.5", "2.75")
    question = json.loads((root / "metrics" / "toy-a.json").read_text())["question"]
    assert version.tags["anamnesis.question"] == question["test"]
    assert version.tags["anamnesis.asked"] == question["asked"]
    # A better one challenges, and is not champion before somebody promotes it.
    finish("toy-b", valid=2.25)
    second = register(root)["language-toy"]
    assert (second.challenger, second.champion) == ("2", "1")
    # Twice adds nothing.
    assert register(root)["language-toy"] == second
    assert versions(client) == {"1": "toy-a", "2": "toy-b"}
    # When the better one is gone, the alias goes back to the version that is there.
    shutil.rmtree(root / "models" / "toy-b")
    assert register(root)["language-toy"].challenger == "1"
    assert versions(client) == {"1": "toy-a", "2": "toy-b"}


def test_a_deleted_database_comes_back_with_the_champion_it_had(root: Path, finish, empty_database: Path) -> None:
    from anamnesis.tracking import store

    finish("toy-a", valid=2.5)
    register(root)
    finish("toy-b", valid=2.25)
    register(root)
    before = store.connect(root).client.get_model_version_by_alias("language-toy", "champion")
    shutil.copyfile(empty_database, root / "mlflow.db")
    shutil.rmtree(root / "mlartifacts")
    sync.sync(root)
    client = store.connect(root).client
    champion = client.get_model_version_by_alias("language-toy", "champion")
    assert champion.tags["anamnesis.experiment"] == "toy-a"
    assert client.get_model_version_by_alias("language-toy", "challenger").tags["anamnesis.experiment"] == "toy-b"
    assert champion.tags == before.tags
    assert len(versions(client)) == 2
    assert len(journal.read(root)) == 1


def test_a_champion_whose_result_is_gone_starts_again_and_says_so(root: Path, finish, empty_database: Path) -> None:
    finish("toy-a", valid=2.5)
    register(root)
    finish("toy-a", valid=2.5, seed=2)
    shutil.copyfile(empty_database, root / "mlflow.db")
    entry = register(root)["language-toy"]
    assert (entry.challenger, entry.champion) == ("1", "1")
    assert "toy-a, has no result here any more" in entry.note
    assert len(journal.read(root)) == 2


def test_deleted_model_files_are_put_back(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a")
    register(root)
    shutil.rmtree(root / "mlartifacts")
    register(root)
    version = client.get_model_version("language-toy", "1")
    assert (Path(version.source) / "MLmodel").is_file()
    assert versions(client) == {"1": "toy-a"}


def test_a_run_in_the_trash_gives_its_champion_to_the_rebuilt_one(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a")
    register(root)
    client.delete_run(client.get_model_version("language-toy", "1").run_id)
    entry = register(root)["language-toy"]
    assert (entry.challenger, entry.champion) == ("2", "2")
    assert register(root)["language-toy"] == entry


def test_an_interrupted_registration_is_finished_the_next_time(root: Path, finish, client, monkeypatch) -> None:
    finish("toy-a")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for failing in ("create_model_version", "set_registered_model_alias"):
        with monkeypatch.context() as patch:
            patch.setattr(MlflowClient, failing, killed)
            with pytest.raises(KeyboardInterrupt):
                register(root)
    entry = register(root)["language-toy"]
    assert (entry.challenger, entry.champion) == ("1", "1")
    assert versions(client) == {"1": "toy-a"}


def test_a_damaged_model_is_not_registered(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a")
    path = root / "models" / "toy-a" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(AnamnesisError, match=r"weights\.safetensors: altered or damaged"):
        register(root)
    assert versions(client) == {}


def test_the_registry_follows_the_results_and_only_changes_are_shown(root: Path, finish) -> None:
    """A targeted run evaluates one experiment and leaves the stage `register` alone."""
    finish("toy-a", valid=2.5)
    finish("other-a")
    register(root)
    finish("toy-a", valid=2.25, seed=2)
    synced = sync.sync(root)
    assert str(synced).splitlines() == [
        "runs in MLflow: 1 created, 0 completed, 1 unchanged, 2 without a result",
        "registered models: 1 changed, 1 unchanged",
        "model language-toy: toy-a, valid bits_per_character 2.25, challenger version 2, champion version 1 "
        "until `anamnesis promote language-toy`",
    ]
    assert str(sync.sync(root)).splitlines()[1:] == ["registered models: 0 changed, 2 unchanged"]


def relabel(root: Path, name: str, board: str, **scores: float) -> None:
    """Move a finished experiment to another leaderboard, with validation scores of that one."""
    folder = root / "models" / name
    card, weights = folders.read(folder)
    more = {"tokenizer.json": (folder / "tokenizer.json").read_bytes()}
    kept = {key: value for key, value in card.items() if key != "fingerprint"}
    card = folders.save(folder, weights, {**kept, "board": board}, more)
    path = root / "metrics" / f"{name}.json"
    metrics = json.loads(path.read_text()) | {"fingerprint": card["fingerprint"], "valid": scores}
    path.write_text(json.dumps(metrics))


def test_each_board_has_its_own_best_by_its_own_metric(root: Path, finish) -> None:
    for name in ("toy-a", "toy-b", "toy-c", "other-a"):
        finish(name, valid=2.5)
    relabel(root, "toy-b", "classification", accuracy=0.4, bits_per_character=1.0)
    relabel(root, "toy-c", "classification", accuracy=0.6, bits_per_character=2.0)
    # A probe is ranked, but there is nothing that it could answer.
    relabel(root, "other-a", "memory", memory_span=40.0)
    assert choose(root) == {"language-toy": ("toy-a", 2.5), "classification-toy": ("toy-c", 0.6)}
