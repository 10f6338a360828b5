"""Runs from result files: complete, created once, completed after an interruption."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient

from anamnesis import files
from anamnesis.tracking import result_runs, store


def count_rows(root: Path) -> dict[str, int]:
    """The number of rows in each table of the database."""
    with sqlite3.connect(root / "mlflow.db") as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        return {table: database.execute(f'select count(*) from "{table}"').fetchone()[0] for table in tables}


def history(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, float]]:
    return sorted((metric.step, metric.value) for metric in client.get_metric_history(run_id, key))


def sync_run_id(root: Path) -> str:
    run_id: str = result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_id
    return run_id


def test_a_run_has_the_content_of_all_result_files(root, finish, client):
    card = finish("toy-a", valid=3.5, test=3.75)
    timings = root / ".anamnesis" / "timings" / "toy-a.json"
    files.write_json(timings, {"fingerprint": card["fingerprint"], "seconds": 12.5, "tokens_per_second": 9000.0})
    run = client.get_run(sync_run_id(root))
    assert client.get_experiment(run.info.experiment_id).name == "language/toy"
    assert (run.info.run_name, run.info.status) == ("toy-a", "FINISHED")
    assert run.data.tags["anamnesis.fingerprint"] == card["fingerprint"]
    assert (run.data.params["model.architecture"], run.data.params["corpus"]) == ("uniform", "toy")
    assert history(client, run.info.run_id, "epoch/train_perplexity") == [(1, 20.0), (2, 10.0)]
    assert history(client, run.info.run_id, "epoch/valid_perplexity") == [(1, 21.0), (2, 10.5)]
    expected = {
        "test/bits_per_character": 3.75,
        "valid/bits_per_character": 3.5,
        "training/parameters": 7.0,
        "training/best_epoch": 2.0,
        "training/seconds": 12.5,
        "training/tokens_per_second": 9000.0,
    }
    assert {key: run.data.metrics[key] for key in expected} == expected
    assert {(item.dataset.name, item.dataset.digest, item.tags[0].value) for item in run.inputs.dataset_inputs} == {
        ("toy", files.digest("toy", split)[:32], context)
        for split, context in (("train", "training"), ("valid", "validation"), ("test", "testing"))
    }
    names = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert names == {"model.json", "history.csv", "samples.txt", "metrics.json"}
    assert run.info.end_time - run.info.start_time >= 12_500
    # Timings and metrics of another model are ignored.
    metrics = (root / "metrics" / "toy-a.json").read_text()
    finish("toy-a", seed=2)
    (root / "metrics" / "toy-a.json").write_text(metrics)
    other = client.get_run(sync_run_id(root)).data.metrics
    assert "training/seconds" not in other
    assert "test/perplexity" not in other


def test_a_second_call_adds_nothing_and_a_deleted_database_comes_back(root, finish, tmp_path_factory):
    for name, epochs in (("toy-a", 2), ("toy-b", 400), ("other-a", 2)):
        finish(name, epochs=epochs)
    summary = result_runs.sync_runs(None, root)
    assert str(summary) == "runs in MLflow: 3 created, 0 completed, 0 unchanged, 1 without a result"
    before = count_rows(root)
    assert len(result_runs.sync_runs(None, root).unchanged) == 3
    assert count_rows(root) == before
    assert before["runs"] == 3
    (root / "mlflow.db").unlink()
    shutil.rmtree(root / "mlartifacts")
    assert len(result_runs.sync_runs(None, root).created) == 3
    assert count_rows(root) == before
    # The copy of a project does not write to the original.
    copy = shutil.copytree(root, tmp_path_factory.mktemp("copy") / "project")
    with pytest.raises(store.TrackingError, match="was moved or copied: delete"):
        result_runs.sync_runs(None, copy)


def test_deleted_runs_and_artifacts_come_back(root, finish, client):
    finish("toy-a")
    run = result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info
    shutil.rmtree(root / "mlartifacts")
    assert sync_run_id(root) == run.run_id
    assert (Path(run.artifact_uri) / "history.csv").is_file()
    client.delete_run(run.run_id)
    assert sync_run_id(root) != run.run_id
    client.delete_experiment(run.experiment_id)
    sync_run_id(root)
    assert client.get_experiment(run.experiment_id).lifecycle_stage == "active"


@pytest.mark.parametrize(
    ("owner", "failing"),
    [
        (MlflowClient, "log_batch"),
        (MlflowClient, "log_inputs"),
        (store.Store, "log_artifacts"),
        (MlflowClient, "set_terminated"),
    ],
)
def test_an_interrupted_run_is_completed_by_the_next_call(root, finish, monkeypatch, empty_database, owner, failing):
    finish("toy-a")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, failing, interrupt)
        with pytest.raises(KeyboardInterrupt):
            result_runs.sync_runs(["toy-a"], root)
    assert result_runs.sync_runs(["toy-a"], root).completed == ["toy-a"]
    completed = count_rows(root)
    shutil.copyfile(empty_database, root / "mlflow.db")
    result_runs.sync_runs(["toy-a"], root)
    assert count_rows(root) == completed


def test_changed_scores_are_added_once(root, finish, client):
    finish("toy-a")
    path = root / "metrics" / "toy-a.json"
    metrics = path.read_text()
    path.unlink()
    run_id = sync_run_id(root)
    assert "test/perplexity" not in client.get_run(run_id).data.metrics
    for text in (metrics, metrics.replace("4.1", "4.2")):
        path.write_text(text)
        assert [sync_run_id(root) for _ in range(2)] == [run_id] * 2
    assert history(client, run_id, "test/bits_per_character") == [(0, 4.1), (0, 4.2)]


def test_the_run_of_the_result_in_the_workspace_is_current(root, finish, client):
    finish("toy-a")
    first = sync_run_id(root)
    experiment = client.get_run(first).info.experiment_id

    def current() -> list[str]:
        return [run.info.run_id for run in client.search_runs([experiment], "tags.current = 'true'")]

    finish("toy-a", seed=2)
    second = sync_run_id(root)
    assert second != first
    assert current() == [second]
    finish("toy-a", seed=1)
    assert sync_run_id(root) == first
    assert current() == [first]
    # Runs of another working copy and of another project keep their tags.
    foreign = client.create_run(experiment, tags={"current": "true", store.EXPERIMENT: "toy-a", store.OWNER: "another"})
    stranger = client.create_run(client.create_experiment("team/churn"), tags={"current": "true"})
    finish("other-a")
    shutil.rmtree(root / "models" / "toy-a")
    result_runs.sync_runs(None, root)
    assert current() == [foreign.info.run_id]
    assert client.get_run(stranger.info.run_id).data.tags["current"] == "true"


def test_a_run_with_other_values_than_the_result_is_replaced(root, finish, client):
    finish("toy-a")
    old = sync_run_id(root)
    client.set_tag(old, result_runs.PROJECTED, "an earlier layout")
    assert result_runs.sync_runs(["toy-a"], root).completed == ["toy-a"]
    client.set_tag(old, result_runs.PROJECTED, "an earlier layout")
    client.log_metric(old, "epoch/train_perplexity", 9.0, step=2)
    assert result_runs.sync_runs(["toy-a"], root).created == ["toy-a"]
    assert history(client, sync_run_id(root), "epoch/train_perplexity") == [(1, 20.0), (2, 10.0)]
    assert "anamnesis.fingerprint" not in client.get_run(old).data.tags
