import fcntl
import os
import signal
import threading
from pathlib import Path

import forks
import pytest
from mlflow import MlflowClient

from anamnesis import params
from anamnesis.tracking import live, result_runs


def begin(
    root: Path, name: str = "toy-a", inputs: str = "inputs", checkpoint: str = "key", resumed: bool = False
) -> live.LiveRun:
    run = live.start(name, params.load(root / "params.yaml").experiments[name], inputs, root)
    run.begin(checkpoint, resumed)
    return run


def runs(client: MlflowClient) -> list:
    found = client.get_experiment_by_name("language/toy")
    return list(client.search_runs([found.experiment_id])) if found else []


def test_a_training_is_seen_while_it_runs_and_found_afterwards(
    root: Path, finish, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FLUSH_SECONDS", 0.0)
    card = finish("toy-a")
    run = begin(root, inputs=card["inputs"])
    run.log({"train_perplexity": 20.0, "valid_perplexity": 21.0}, 1)
    run.sample("it was", 1)
    (seen,) = runs(client)
    assert (seen.info.status, seen.info.run_name) == ("RUNNING", "toy-a")
    assert seen.data.metrics["epoch/train_perplexity"] == 20.0
    assert seen.data.params["model.architecture"] == "uniform"
    assert (Path(seen.info.artifact_uri) / "samples.txt").read_text() == "== after epoch 1 ==\nit was\n\n"
    run.log({"train_perplexity": 10.0}, 2)
    run.finish(card["fingerprint"])
    # The projection completes this run, and makes no other.
    summary = result_runs.sync_runs(["toy-a"], root)
    assert summary.completed == ["toy-a"]
    (whole,) = runs(client)
    assert (whole.info.run_id, whole.info.status) == (seen.info.run_id, "FINISHED")
    assert sorted(m.step for m in client.get_metric_history(whole.info.run_id, "epoch/train_perplexity")) == [1, 2]
    assert sorted(m.step for m in client.get_metric_history(whole.info.run_id, "epoch/valid_perplexity")) == [1, 2]
    assert "test/perplexity" in whole.data.metrics
    assert result_runs.sync_runs(["toy-a"], root).unchanged == ["toy-a"]


def test_live_and_rebuilt_runs_hold_the_same(root: Path, finish, client: MlflowClient) -> None:
    card = finish("toy-a")
    run = begin(root, inputs=card["inputs"])
    run.log({"learning_rate": 0.01, "train_perplexity": 20.0}, 1)
    run.finish(card["fingerprint"])
    result_runs.sync_runs(["toy-a"], root)
    (completed,) = runs(client)
    client.delete_run(completed.info.run_id)
    result_runs.sync_runs(["toy-a"], root)
    (rebuilt,) = runs(client)
    assert completed.info.run_id != rebuilt.info.run_id
    assert (completed.data.metrics, completed.data.params) == (rebuilt.data.metrics, rebuilt.data.params)
    names = [sorted(item.path for item in client.list_artifacts(run.info.run_id)) for run in (completed, rebuilt)]
    assert names[0] == names[1]


def killed_training(root: Path, inputs: str, checkpoint: str = "key") -> None:
    """A process that logs one epoch and kills itself with SIGKILL."""
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from anamnesis import params; from anamnesis.tracking import live\n"
        "root = Path.cwd(); e = params.load(root / 'params.yaml').experiments['toy-a']\n"
        "inputs, checkpoint = sys.argv[1].split(); live.FLUSH_SECONDS = 0.0\n"
        "run = live.start('toy-a', e, inputs, root); run.begin(checkpoint, False)\n"
        "run.log({'train_perplexity': 20.0}, 1); run.sample('x', 1)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    (ended,) = forks.run(code, "train", f"{inputs} {checkpoint}", folder=root)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def test_a_killed_training_goes_on_in_its_own_run(root: Path, client: MlflowClient) -> None:
    killed_training(root, "same")
    (dead,) = runs(client)
    assert dead.info.status == "RUNNING"
    run = begin(root, inputs="same", resumed=True)
    assert run.run_id == dead.info.run_id
    for epoch in (1, 2):
        run.log({"train_perplexity": 20.0 / epoch}, epoch)
    run.finish("f" * 64)
    (whole,) = runs(client)
    values = [(m.step, m.value) for m in client.get_metric_history(whole.info.run_id, "epoch/train_perplexity")]
    assert sorted(values) == [(1, 20.0), (2, 10.0)]
    assert whole.info.status == "FINISHED"


@pytest.mark.parametrize(("checkpoint", "resumed"), [("other code", True), ("key", False)])
def test_a_training_that_starts_anew_leaves_the_killed_run_alone(
    root: Path, finish, client: MlflowClient, checkpoint: str, resumed: bool
) -> None:
    """The code changed, or there was no checkpoint yet: the values of the old run are not the new training's."""
    card = finish("toy-a")
    killed_training(root, card["inputs"])
    run = begin(root, inputs=card["inputs"], checkpoint=checkpoint, resumed=resumed)
    run.log({"train_perplexity": 14.0}, 1)
    run.fail()
    found = {run.info.run_id: (run.info.status, run.data.metrics["epoch/train_perplexity"]) for run in runs(client)}
    assert found.pop(run.run_id) == ("FAILED", 14.0)
    assert list(found.values()) == [("KILLED", 20.0)]


def test_a_resumed_training_with_other_values_goes_on_in_a_new_run(root: Path, finish, client: MlflowClient) -> None:
    """MLflow takes no logged value back; on a GPU, the steps after a checkpoint need not end with the same value."""
    card = finish("toy-a", epochs=3)
    before = begin(root, inputs=card["inputs"])
    for epoch in (1, 2):
        before.log({"train_perplexity": 20.0 / epoch}, epoch)
    before.fail()
    after = begin(root, inputs=card["inputs"], resumed=True)
    assert after.run_id == before.run_id
    after.log({"train_perplexity": 10.000001}, 2)
    assert after.run_id == before.run_id
    after.log({"train_perplexity": 9.0}, 2)
    after.log({"train_perplexity": 6.0}, 3)
    after.finish(card["fingerprint"])
    assert after.run_id != before.run_id
    histories = {
        run.info.run_id: (
            run.info.status,
            [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "epoch/train_perplexity")],
        )
        for run in runs(client)
    }
    assert histories == {
        before.run_id: ("KILLED", [(1, 20.0), (2, 10.0)]),
        after.run_id: ("FINISHED", [(1, 20.0), (2, 9.0), (3, 6.0)]),
    }


def test_a_training_that_lives_is_left_alone(root: Path, client: MlflowClient) -> None:
    alive = begin(root, inputs="before")
    other = begin(root, inputs="after")
    assert {run.info.status for run in runs(client)} == {"RUNNING"}
    other.finish("e" * 64)
    alive.log({"train_perplexity": 3.0}, 1)
    alive.finish("f" * 64)
    assert [run.info.status for run in runs(client)] == ["FINISHED"] * 2


def test_a_dead_run_of_another_working_copy_is_left_alone(
    root: Path, client: MlflowClient, tmp_path_factory, monkeypatch
) -> None:
    alive = begin(root, inputs="x")
    copy = tmp_path_factory.mktemp("copy")
    for name in ("params.yaml", "corpora.yaml"):
        (copy / name).write_text((root / name).read_text())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
    begin(copy, inputs="x").finish("e" * 64)
    assert client.get_run(alive.run_id).info.status == "RUNNING"
    alive.finish("f" * 64)


def test_a_result_whose_training_was_killed_at_its_end_takes_over_the_run(
    root: Path, finish, client: MlflowClient
) -> None:
    card = finish("toy-a")
    killed_training(root, card["inputs"])
    assert result_runs.sync_runs(["toy-a"], root).completed == ["toy-a"]
    (run,) = runs(client)
    assert (run.info.status, run.data.tags["anamnesis.fingerprint"]) == ("FINISHED", card["fingerprint"])


def test_a_dead_run_is_marked_also_when_its_result_is_not_trained_again(
    root: Path, finish, client: MlflowClient
) -> None:
    card = finish("toy-a")
    whole = result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_id
    for inputs in ("other", card["inputs"]):
        killed_training(root, inputs)
    assert result_runs.sync_runs(["toy-a"], root).unchanged == ["toy-a"]
    assert {run.info.run_id == whole: run.info.status for run in runs(client)} == {True: "FINISHED", False: "KILLED"}


def test_a_dead_run_with_other_values_than_the_result_is_not_taken_over(
    root: Path, finish, client: MlflowClient
) -> None:
    """The code was edited after the kill, and the result was trained without tracking."""
    card = finish("toy-a", epochs=3)
    (root / "models" / "toy-a" / "history.csv").write_text("epoch,train_perplexity\n1,14\n2,13\n3,12\n")
    killed_training(root, card["inputs"])
    assert result_runs.sync_runs(["toy-a"], root).created == ["toy-a"]
    (whole,) = [run for run in runs(client) if run.data.tags.get("anamnesis.fingerprint")]
    values = [(m.step, m.value) for m in client.get_metric_history(whole.info.run_id, "epoch/train_perplexity")]
    assert values == [(1, 14.0), (2, 13.0), (3, 12.0)]
    assert [run.info.status for run in runs(client) if run.info.run_id != whole.info.run_id] == ["KILLED"]


def test_a_training_that_starts_while_others_ask_is_seen(root: Path, client: MlflowClient) -> None:
    path = live.lock_path("toy-a", root)
    path.parent.mkdir(parents=True)
    with open(path, "wb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not live.is_training("toy-a", root)
        ends = threading.Timer(0.2, lambda: fcntl.flock(asking, fcntl.LOCK_UN))
        ends.start()
        run = begin(root)
        ends.join()
    assert live.is_training("toy-a", root)
    run.fail()
    assert not live.is_training("toy-a", root)


def test_the_same_bits_trained_again_are_one_run(root: Path, finish, client: MlflowClient) -> None:
    card = finish("toy-a")
    before = result_runs.sync_runs(["toy-a"], root).runs["toy-a"].info.run_id
    again = begin(root, inputs=card["inputs"])
    again.log({"train_perplexity": 20.0}, 1)
    again.finish(card["fingerprint"])
    assert [run.info.run_id for run in runs(client)] == [before]


def test_a_failed_training_is_marked_and_gone_on_with(root: Path, client: MlflowClient) -> None:
    begin(root).fail()
    (failed,) = runs(client)
    assert failed.info.status == "FAILED"
    again = begin(root, resumed=True)
    assert again.run_id == failed.info.run_id
    again.finish("f" * 64)
    assert [run.info.status for run in runs(client)] == ["FINISHED"]


def test_training_goes_on_without_a_server(root: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = begin(root)
    run.log({"train_perplexity": 2.0}, 1)
    run.sample("x", 1)
    run.finish("f" * 64)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("warning: toy-a trains on without live tracking")


def test_training_goes_on_when_the_server_goes_away(
    root: Path, client: MlflowClient, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = begin(root)

    def gone(*_: object, **__: object) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(MlflowClient, "log_batch", gone)
    for step in (1, 2, 3):
        run.log({"train_perplexity": 2.0}, step)
        run.sample("x", step)
    run.fail()
    assert capsys.readouterr().err.count("\n") == 1


def test_tracking_can_be_switched_off(root: Path, client: MlflowClient, monkeypatch) -> None:
    monkeypatch.setenv("ANAMNESIS_TRACKING", "off")
    run = begin(root)
    run.log({"train_perplexity": 2.0}, 1)
    run.finish("f" * 64)
    assert runs(client) == []
    assert "MLFLOW_TRACKING_URI" not in os.environ
