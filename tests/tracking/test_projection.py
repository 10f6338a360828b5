import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient

from anamnesis import files, params
from anamnesis.errors import AnamnesisError, ParamsError
from anamnesis.tracking import live, result_runs, scores, store


def rows(root: Path) -> dict[str, int]:
    """Rows of every table of the database that runs, metrics and versions live in."""
    with sqlite3.connect(root / "mlflow.db") as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        return {table: database.execute(f'select count(*) from "{table}"').fetchone()[0] for table in tables}


def history(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, float]]:
    return sorted((metric.step, metric.value) for metric in client.get_metric_history(run_id, key))


def test_a_run_holds_all_that_the_files_say(root: Path, finish, client: MlflowClient) -> None:
    card = finish("toy-a", valid=3.5, test=3.75)
    files.write_json(
        root / ".anamnesis" / "timings" / "toy-a.json",
        {"fingerprint": card["fingerprint"], "seconds": 12.5, "tokens_per_second": 9000.0},
    )
    summary = result_runs.sync_runs(["toy-a"], root)
    assert summary.created == ["toy-a"]
    run = client.get_run(summary.runs["toy-a"].info.run_id)
    assert client.get_experiment(run.info.experiment_id).name == "language/toy"
    assert (run.info.run_name, run.info.status) == ("toy-a", "FINISHED")
    assert run.data.tags["anamnesis.fingerprint"] == card["fingerprint"]
    assert run.data.params["model.architecture"] == "uniform"
    assert run.data.params["corpus"] == "toy"
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
    assert run.info.start_time is not None
    assert run.info.end_time - run.info.start_time >= 12_500


def test_speed_of_another_training_is_left_out(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a")
    files.write_json(root / ".anamnesis" / "timings" / "toy-a.json", {"fingerprint": "another", "seconds": 12.5})
    run = result_runs.sync_runs(["toy-a"], root).runs["toy-a"]
    assert "training/seconds" not in client.get_run(run.info.run_id).data.metrics


def test_twice_adds_nothing_and_a_deleted_database_comes_back(root: Path, finish) -> None:
    for name in ("toy-a", "toy-b", "other-a"):
        finish(name)
    assert (
        str(result_runs.sync_runs(None, root)) == "runs in MLflow: 3 created, 0 completed, 0 unchanged, 1 without a result"
    )
    before = rows(root)
    assert len(result_runs.sync_runs(None, root).unchanged) == 3
    assert rows(root) == before
    assert before["runs"] == 3
    (root / "mlflow.db").unlink()
    shutil.rmtree(root / "mlartifacts")
    assert len(result_runs.sync_runs(None, root).created) == 3
    assert rows(root) == before


def test_a_run_in_the_trash_is_rebuilt(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a")
    old = result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info
    client.delete_run(old.run_id)
    summary = result_runs.sync_runs(["toy-a"], root)
    assert summary.created == ["toy-a"]
    assert summary.runs["toy-a"].info.run_id != old.run_id
    client.delete_experiment(old.experiment_id)
    result_runs.sync_runs(["toy-a"], root)
    assert client.get_experiment(old.experiment_id).lifecycle_stage == "active"


def test_a_moved_project_does_not_write_to_its_old_place(root: Path, finish, tmp_path_factory) -> None:
    finish("toy-a")
    result_runs.sync_runs(None, root)
    moved = tmp_path_factory.mktemp("moved") / "project"
    shutil.copytree(root, moved)
    with pytest.raises(store.TrackingError, match="was moved or copied: delete"):
        result_runs.sync_runs(None, moved)


def test_deleted_artifacts_come_back_in_the_same_run(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a")
    run = result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info
    shutil.rmtree(root / "mlartifacts")
    summary = result_runs.sync_runs(["toy-a"], root)
    assert (summary.completed, summary.runs["toy-a"].info.run_id) == (["toy-a"], run.run_id)
    assert (Path(run.artifact_uri) / "history.csv").is_file()


@pytest.mark.parametrize(
    ("owner", "failing"),
    [
        (MlflowClient, "log_batch"),
        (MlflowClient, "log_inputs"),
        (store.Store, "log_artifacts"),
        (MlflowClient, "set_terminated"),
    ],
)
def test_an_interrupted_projection_is_finished_the_next_time(
    root: Path, finish, monkeypatch, empty_database: Path, owner: type, failing: str
) -> None:
    finish("toy-a")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, failing, killed)
        with pytest.raises(KeyboardInterrupt):
            result_runs.sync_runs(["toy-a"], root)
    assert result_runs.sync_runs(["toy-a"], root).completed == ["toy-a"]
    broken = rows(root)
    assert result_runs.sync_runs(["toy-a"], root).unchanged == ["toy-a"]
    shutil.copyfile(empty_database, root / "mlflow.db")
    result_runs.sync_runs(["toy-a"], root)
    assert rows(root) == broken


def test_scores_that_come_later_or_change_are_added_once(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a")
    scores = (root / "metrics" / "toy-a.json").read_text()
    (root / "metrics" / "toy-a.json").unlink()
    run_id = result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_id
    assert "test/perplexity" not in client.get_run(run_id).data.metrics
    (root / "metrics" / "toy-a.json").write_text(scores)
    for _ in range(2):
        assert result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_id == run_id
    assert history(client, run_id, "test/bits_per_character") == [(0, 4.1)]
    (root / "metrics" / "toy-a.json").write_text(scores.replace("4.1", "4.2"))
    for _ in range(2):
        result_runs.sync_runs(["toy-a"], root)
    assert history(client, run_id, "test/bits_per_character") == [(0, 4.1), (0, 4.2)]
    assert client.get_run(run_id).data.metrics["test/bits_per_character"] == 4.2


def test_the_stage_evaluate_adds_scores_and_data_to_the_run(
    root: Path, finish, client: MlflowClient, monkeypatch
) -> None:
    card = finish("toy-a")
    training = live.start("toy-a", params.load(root / "params.yaml").experiments["toy-a"], card["inputs"], root)
    training.finish(card["fingerprint"])
    assert "test/perplexity" not in client.get_run(training.run_id).data.metrics
    with monkeypatch.context() as patch:
        patch.setenv("ANAMNESIS_TRACKING", "off")
        scores.log_result("toy-a", root)
    assert "test/perplexity" not in client.get_run(training.run_id).data.metrics
    scores.log_result("toy-a", root)
    run = client.get_run(training.run_id)
    assert {"test/perplexity", "valid/perplexity", "epoch/valid_perplexity"} <= run.data.metrics.keys()
    assert len(run.inputs.dataset_inputs) == 3
    # The two kinds of validation scores are told apart on the run's page.
    assert "| `epoch/valid_…` | estimates" in run.data.tags["mlflow.note.content"]


def test_scores_of_another_model_are_not_logged(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a")
    scores = (root / "metrics" / "toy-a.json").read_text()
    finish("toy-a", seed=2)
    (root / "metrics" / "toy-a.json").write_text(scores)
    run_id = result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_id
    assert "test/perplexity" not in client.get_run(run_id).data.metrics


def test_another_result_of_the_same_experiment_is_another_run(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a")
    first = result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_id
    finish("toy-a", seed=2)
    summary = result_runs.sync_runs(["toy-a"], root)
    assert summary.created == ["toy-a"]
    second = summary.runs["toy-a"].info.run_id

    def current() -> list[str]:
        found = client.search_runs([client.get_run(first).info.experiment_id], "tags.current = 'true'")
        return [run.info.run_id for run in found]

    assert current() == [second]
    finish("toy-a", seed=1)
    assert result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_id == first
    assert current() == [first]
    # Runs of other people keep theirs: of another working copy, and of a project that knows nothing of this one.
    own = client.get_run(first).info.experiment_id
    foreign = client.create_run(own, tags={"current": "true", store.EXPERIMENT: "toy-a", store.OWNER: "another"})
    stranger = client.create_run(client.create_experiment("team/churn"), tags={"current": "true"})
    finish("other-a")
    shutil.rmtree(root / "models" / "toy-a")
    result_runs.sync_runs(None, root)
    assert current() == [foreign.info.run_id]
    assert client.get_run(stranger.info.run_id).data.tags["current"] == "true"


def test_a_run_with_other_values_than_the_result_is_replaced(root: Path, finish, client: MlflowClient) -> None:
    """An earlier version could mix the epochs of two trainings."""
    finish("toy-a")
    old = result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_id
    client.set_tag(old, result_runs.PROJECTED, "of an earlier layout")
    assert result_runs.sync_runs(["toy-a"], root).completed == ["toy-a"]
    client.set_tag(old, result_runs.PROJECTED, "of an earlier layout")
    client.log_metric(old, "epoch/train_perplexity", 9.0, step=2)
    assert result_runs.sync_runs(["toy-a"], root).created == ["toy-a"]
    new = result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_id
    assert new != old
    assert history(client, new, "epoch/train_perplexity") == [(1, 20.0), (2, 10.0)]
    assert "anamnesis.fingerprint" not in client.get_run(old).data.tags


def test_an_experiment_without_result_is_no_run(root: Path) -> None:
    summary = result_runs.sync_runs(None, root)
    assert (summary.created, len(summary.untrained)) == ([], 4)
    assert rows(root)["runs"] == 0


def test_more_epochs_than_one_call_may_carry(root: Path, finish, client: MlflowClient) -> None:
    finish("toy-a", epochs=400)
    run_id = result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_id
    assert [step for step, _ in history(client, run_id, "epoch/train_perplexity")] == list(range(1, 401))


def test_errors_name_the_file_or_the_nearest_name(root: Path, finish) -> None:
    with pytest.raises(ParamsError, match="did you mean 'toy-a'"):
        result_runs.sync_runs(["toy-aa"], root)
    finish("toy-a")
    (root / "models" / "toy-a" / "model.json").write_text("{")
    with pytest.raises(AnamnesisError, match=r"models/toy-a/model\.json: not valid JSON"):
        result_runs.sync_runs(["toy-a"], root)


def test_the_commit_is_that_of_the_project(root: Path) -> None:
    commit = store.git_commit(Path(__file__).parent)
    assert commit is None or re.fullmatch("[0-9a-f]{40}", commit)
    assert store.git_commit(root) is None
