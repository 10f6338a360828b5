"""Runs of one experiment are told apart by what was changed."""

import subprocess
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from anamnesis import params
from anamnesis.tracking import live, names, project_run, result_runs, store, sync
from anamnesis.tracking.names import changed_settings


@pytest.mark.parametrize(
    ("settings", "before", "expected"),
    [
        ({"training": {"epochs": 3}}, {"training": {"epochs": 3}}, {}),
        ({"training": {"epochs": 3, "rate": 0.1}}, {"training": {"epochs": 9, "rate": 0.1}}, {"epochs": "3"}),
        ({"training": {"patience": 3}}, {"training": {"patience": None}}, {"patience": "3"}),
        ({"training": {"patience": None}}, {"training": {"patience": 3}}, {"patience": "null"}),
        ({"a": {"size": 1}, "b": {"size": 2}}, {"a": {"size": 3}, "b": {"size": 4}}, {"a.size": "1", "b.size": "2"}),
        # A card holds more than settings; its number of parameters is no setting.
        ({"seed": 1, "corpus": "toy", "parameters": 7}, {"seed": 1, "parameters": None}, {}),
        ({"seed": 1}, {}, {}),
    ],
)
def test_changed_settings(settings, before, expected) -> None:
    assert changed_settings(settings, before) == expected


def change(root: Path, seed: int, **entries: object) -> None:
    content = yaml.safe_load((root / "params.yaml").read_text())
    content["experiments"]["toy-a"] |= {"seed": seed} | entries
    (root / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def test_a_run_is_named_by_its_changes_and_by_the_dvc_experiment(
    root: Path, finish, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "params.yaml", "corpora.yaml"], ["commit", "-q", "-m", "settings"]):
        subprocess.run([*git, *command], check=True)
    for cached in (store.git_commit, names._committed):
        cached.cache_clear()
    plain = finish("toy-a")
    assert result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_name == "toy-a"
    # As in `dvc exp run -S experiments.toy-a.seed=3`.
    change(root, seed=3)
    monkeypatch.setenv("DVC_EXP_NAME", "crass-volt")
    card = finish("toy-a", seed=3)
    training = live.start("toy-a", params.load(root / "params.yaml").experiments["toy-a"], card["inputs"], root)
    training.log({"train_perplexity": 20.0}, 1)
    training.finish(card["fingerprint"])
    run = client.get_run(training.run_id)
    assert run.info.run_name == "toy-a seed=3 (crass-volt)"
    assert (run.data.tags["dvc.exp.name"], run.data.tags["current"]) == ("crass-volt", "true")
    old = client.search_runs([run.info.experiment_id], f"tags.anamnesis.fingerprint = '{plain['fingerprint']}'")
    assert "current" not in old[0].data.tags
    # The same name when it is rebuilt later, without DVC's.
    client.delete_run(training.run_id)
    monkeypatch.delenv("DVC_EXP_NAME")
    assert result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_name == "toy-a seed=3"


def test_the_run_of_mlflow_run_stays_only_if_others_are_below_it(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a")
    empty, parent = (client.create_run("0").info.run_id for _ in range(2))
    below = store.connect(root).experiment_id("language/toy")
    client.create_run(below, tags={"mlflow.parentRunId": parent})
    for run_id in (empty, parent):
        project_run.close(run_id, ["anamnesis", "show", "toy-a"], root)
        # `mlflow run` ends it now, which must be possible.
        client.set_terminated(run_id, "FINISHED")
    assert {client.get_run(run_id).info.run_name for run_id in (empty, parent)} == {"anamnesis show toy-a"}
    sync.sync(root)
    assert client.get_run(empty).info.lifecycle_stage == "deleted"
    assert client.get_run(parent).info.lifecycle_stage == "active"
