"""Live runs: logged during training, resumed after a kill, never an obstacle to training."""

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
from anamnesis.tracking.store import FINGERPRINT


def begin(root: Path, inputs: str = "inputs", checkpoint: str = "key", resumed: bool = False) -> live.LiveRun:
    run = live.start("toy-a", params.load(root / "params.yaml").experiments["toy-a"], inputs, root)
    run.begin(checkpoint, resumed)
    return run


def all_runs(client: MlflowClient) -> list:
    experiment = client.get_experiment_by_name("language/toy")
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def history(client: MlflowClient, run_id: str, key: str = "epoch/train_perplexity") -> list[tuple[int, float]]:
    return sorted((metric.step, metric.value) for metric in client.get_metric_history(run_id, key))


def train_and_kill(root: Path, inputs: str, checkpoint: str = "key") -> None:
    """Run a process that logs one epoch and kills itself with SIGKILL."""
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


def test_a_training_is_visible_while_it_runs_and_completed_from_its_result(root, finish, client, monkeypatch):
    monkeypatch.setattr(live, "FLUSH_SECONDS", 0.0)
    card = finish("toy-a")
    run = begin(root, inputs=card["inputs"])
    run.log({"learning_rate": 0.01, "train_perplexity": 20.0, "valid_perplexity": 21.0}, 1)
    run.sample("it was", 1)
    (first,) = all_runs(client)
    assert (first.info.status, first.info.run_name) == ("RUNNING", "toy-a")
    assert first.data.metrics["epoch/train_perplexity"] == 20.0
    assert first.data.params["model.architecture"] == "uniform"
    assert (Path(first.info.artifact_uri) / "samples.txt").read_text() == "== after epoch 1 ==\nit was\n\n"
    run.finish(card["fingerprint"])
    assert result_runs.sync_runs(["toy-a"], root).completed == ["toy-a"]
    (complete,) = all_runs(client)
    assert (complete.info.run_id, complete.info.status) == (first.info.run_id, "FINISHED")
    assert history(client, complete.info.run_id) == [(1, 20.0), (2, 10.0)]
    assert "test/perplexity" in complete.data.metrics
    assert result_runs.sync_runs(["toy-a"], root).unchanged == ["toy-a"]
    # A run from the result files alone has the same content.
    client.delete_run(complete.info.run_id)
    result_runs.sync_runs(["toy-a"], root)
    (new,) = all_runs(client)
    assert (complete.data.metrics, complete.data.params) == (new.data.metrics, new.data.params)
    names = [sorted(item.path for item in client.list_artifacts(run.info.run_id)) for run in (complete, new)]
    assert names[0] == names[1]
    # Training the same model again adds no run.
    again = begin(root, inputs=card["inputs"])
    again.log({"train_perplexity": 20.0}, 1)
    again.finish(card["fingerprint"])
    assert [run.info.run_id for run in all_runs(client)] == [new.info.run_id]


def test_a_killed_training_resumes_its_run(root, client):
    train_and_kill(root, "same")
    (dead,) = all_runs(client)
    assert dead.info.status == "RUNNING"
    run = begin(root, inputs="same", resumed=True)
    assert run.run_id == dead.info.run_id
    run.log({"train_perplexity": 20.0}, 1)
    # A failed training, too, is resumed in its run.
    run.fail()
    assert client.get_run(run.run_id).info.status == "FAILED"
    run = begin(root, inputs="same", resumed=True)
    run.log({"train_perplexity": 10.0}, 2)
    run.finish("f" * 64)
    (complete,) = all_runs(client)
    assert (complete.info.run_id, complete.info.status) == (dead.info.run_id, "FINISHED")
    assert history(client, complete.info.run_id) == [(1, 20.0), (2, 10.0)]


@pytest.mark.parametrize(("checkpoint", "resumed"), [("other code", True), ("key", False)])
def test_a_new_training_does_not_resume_a_killed_run(root, client, checkpoint, resumed):
    """The code has changed, or there was no checkpoint: the values of the old run are not those of the training."""
    train_and_kill(root, "same")
    run = begin(root, inputs="same", checkpoint=checkpoint, resumed=resumed)
    run.log({"train_perplexity": 14.0}, 1)
    run.fail()
    states = {
        run.info.run_id: (run.info.status, run.data.metrics["epoch/train_perplexity"]) for run in all_runs(client)
    }
    assert states.pop(run.run_id) == ("FAILED", 14.0)
    assert list(states.values()) == [("KILLED", 20.0)]


def test_a_resumed_training_with_other_values_continues_in_a_new_run(root, client):
    """MLflow cannot change a logged value; on a GPU, the steps after a checkpoint may give other values."""
    before = begin(root)
    for epoch in (1, 2):
        before.log({"train_perplexity": 20.0 / epoch}, epoch)
    before.fail()
    after = begin(root, resumed=True)
    assert after.run_id == before.run_id
    after.log({"train_perplexity": 10.000001}, 2)
    assert after.run_id == before.run_id
    after.log({"train_perplexity": 9.0}, 2)
    after.finish("f" * 64)
    states = {run.info.run_id: (run.info.status, history(client, run.info.run_id)) for run in all_runs(client)}
    assert states == {
        before.run_id: ("KILLED", [(1, 20.0), (2, 10.0)]),
        after.run_id: ("FINISHED", [(1, 20.0), (2, 9.0)]),
    }


def test_runs_of_living_processes_and_other_working_copies_stay(root, client, tmp_path_factory, monkeypatch):
    alive = begin(root, inputs="before")
    begin(root, inputs="after").finish("e" * 64)
    copy = tmp_path_factory.mktemp("copy")
    for name in ("params.yaml", "corpora.yaml"):
        (copy / name).write_text((root / name).read_text())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
    begin(copy, inputs="before").finish("d" * 64)
    assert client.get_run(alive.run_id).info.status == "RUNNING"
    alive.finish("f" * 64)
    assert [run.info.status for run in all_runs(client)] == ["FINISHED"] * 3


def test_the_run_of_a_training_that_was_killed_at_its_end_is_completed(root, finish, client):
    card = finish("toy-a")
    train_and_kill(root, card["inputs"])
    summary = result_runs.sync_runs(["toy-a"], root)
    assert summary.completed == ["toy-a"]
    (run,) = all_runs(client)
    assert (run.info.status, run.data.tags[FINGERPRINT]) == ("FINISHED", card["fingerprint"])
    # Dead runs after that are marked, although the result does not change.
    for inputs in ("other", card["inputs"]):
        train_and_kill(root, inputs)
    assert result_runs.sync_runs(["toy-a"], root).unchanged == ["toy-a"]
    complete = summary.runs["toy-a"].info.run_id
    assert {run.info.run_id == complete: run.info.status for run in all_runs(client)} == {
        True: "FINISHED",
        False: "KILLED",
    }


def test_a_training_that_starts_while_another_process_asks_is_visible(root, client):
    path = live.lock_path("toy-a", root)
    path.parent.mkdir(parents=True)
    with open(path, "wb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not live.is_training("toy-a", root)
        unlock = threading.Timer(0.2, lambda: fcntl.flock(asking, fcntl.LOCK_UN))
        unlock.start()
        run = begin(root)
        unlock.join()
    assert live.is_training("toy-a", root)
    run.fail()
    assert not live.is_training("toy-a", root)


def test_training_continues_when_the_server_disappears(root, client, monkeypatch, capsys):
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("gone")

    run = begin(root)
    monkeypatch.setattr(MlflowClient, "log_batch", fail)
    for step in (1, 2, 3):
        run.log({"train_perplexity": 2.0}, step)
        run.sample("x", step)
    run.fail()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: toy-a continues to train without live tracking")


def test_tracking_can_be_switched_off(root, client, monkeypatch):
    monkeypatch.setenv("ANAMNESIS_TRACKING", "off")
    run = begin(root)
    run.log({"train_perplexity": 2.0}, 1)
    run.finish("f" * 64)
    assert all_runs(client) == []
    assert "MLFLOW_TRACKING_URI" not in os.environ
