"""Training: the same bits as a loop written by hand, as an uninterrupted run, and as the run before."""

import csv
import math
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from listener import Recorder

from anamnesis.data.stores.store import open_split
from anamnesis.data.tokenizers import tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.nn.stack import detach
from anamnesis.tasks.language import saved
from anamnesis.tasks.language.evaluation import evaluate_splits
from anamnesis.tasks.language.network import RecurrentNetwork, RecurrentPredictor
from anamnesis.tasks.language.settings import Experiment, Recurrent, Streams
from anamnesis.tasks.language.streams import IGNORED, StreamBatches
from anamnesis.tasks.language.train import train


@pytest.fixture
def project(stores: Path, tmp_path: Path) -> Path:
    """A fresh project folder that shares the token stores."""
    (tmp_path / "data").symlink_to(stores / "data")
    return tmp_path


def settings(kind: str = "characters", **changes: Any) -> Experiment:
    content: dict[str, Any] = {
        "task": "language",
        "tokens": kind,
        "model": {"architecture": "lstm", "layers": 2, "hidden": 12, "dropout": 0.2},
        "batches": {"kind": "streams", "batch": 16, "steps": 40},
        "training": {"epochs": 3, "learning_rate": 0.01, "checkpoint_steps": 7},
        "sampling": {"length": 20},
    }
    for key, value in changes.items():
        content[key] = {**content.get(key, {}), **value} if key != "batches" else value
    return Experiment.model_validate(content)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def history(folder: Path) -> list[dict[str, float]]:
    with open(folder / "history.csv", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_same_bits_as_truncated_bptt_written_by_hand(project: Path) -> None:
    experiment = settings(model={"dropout": 0.0}, training={"epochs": 1, "clip_norm": 0.25})
    train("ours", experiment, project, Recorder())

    torch.manual_seed(experiment.seed)
    store = project / "data" / "tokens" / "characters"
    assert isinstance(experiment.model, Recurrent)
    network = RecurrentNetwork(experiment.model, tokenizer.load(store / "tokenizer.json").vocabulary_size)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, fused=True)
    state = network.stack.initial_state(16)
    for inputs, targets, _ in StreamBatches(open_split(store, "train"), Streams(batch=16, steps=40), None):
        outputs, state = network(inputs, detach(state))
        loss = torch.nn.functional.cross_entropy(
            network.softmax(outputs).flatten(0, 1), targets.flatten(), ignore_index=IGNORED
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.25)
        optimizer.step()

    model = saved.load(project / "models" / "ours")
    assert isinstance(model, RecurrentPredictor)
    for name, value in network.named_parameters():
        torch.testing.assert_close(model.network.get_parameter(name), value, rtol=1e-5, atol=1e-6)


CASES = {
    "carried state, dropout": settings(),
    "windows, plateau": settings(
        model={"architecture": "gru", "layers": 1},
        batches={"kind": "windows", "batch": 64, "length": 10, "step": 7},
        training={"schedule": {"kind": "plateau", "patience": 1, "divide_by": 2}},
    ),
    "words, tied, cosine, SGD": settings(
        "words",
        model={"architecture": "rnn", "tied": True},
        batches={"kind": "streams", "batch": 4, "steps": 30},
        training={"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.5, "schedule": {"kind": "cosine"}},
    ),
    "adaptive softmax, decay, early stopping": settings(
        "words",
        model={"softmax": "adaptive", "layers": 1},
        batches={"kind": "streams", "batch": 4, "steps": 30},
        training={"patience": 1, "schedule": {"kind": "decay", "factor": 0.5, "after": 1}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_killed_at_any_moment_and_run_again_gives_the_same_bytes(
    case: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anamnesis.tasks.language import streams

    train("experiment", CASES[case], project, Recorder())
    expected = files_of(project / "models" / "experiment")
    shutil.rmtree(project / "models")

    reads = {kind: kind.__iter__ for kind in (streams.StreamBatches, streams.WindowBatches)}
    kills = [9, 20, 33]
    for deadline in [*kills, None]:
        child = os.fork()
        if child == 0:
            count = 0
            for kind, read in reads.items():

                def dying(self: Any, read: Any = read, deadline: int | None = deadline) -> Any:
                    nonlocal count
                    for batch in read(self):
                        count += 1
                        if count == deadline:
                            os.kill(os.getpid(), signal.SIGKILL)
                        yield batch

                monkeypatch.setattr(kind, "__iter__", dying)
            try:
                train("experiment", CASES[case], project, Recorder())
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if deadline is not None:
            assert os.WIFSIGNALED(status), "the run ended before it was to be killed"
            assert not (project / "models" / "experiment").exists()
            assert list(project.glob(".anamnesis/checkpoints/experiment/*.ckpt")), "nothing to resume from"
    assert files_of(project / "models" / "experiment") == expected
    assert not (project / ".anamnesis" / "checkpoints" / "experiment").exists()


def test_an_edit_of_the_settings_does_not_resume_the_old_training(project: Path) -> None:
    def stop(epoch: int) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        train("experiment", settings(), project, Recorder(stop))
    changed = settings(training={"epochs": 1})
    train("experiment", changed, project, Recorder())
    first = files_of(project / "models" / "experiment")
    shutil.rmtree(project / ".anamnesis")
    train("experiment", changed, project, Recorder())
    assert files_of(project / "models" / "experiment") == first


@pytest.mark.parametrize("size", [0, 1000])
def test_a_damaged_checkpoint_is_passed_over_in_one_line(project: Path, capsys: Any, size: int) -> None:
    train("experiment", settings(), project, Recorder())
    whole = files_of(project / "models" / "experiment")
    shutil.rmtree(project / "models")
    with pytest.raises(RuntimeError):
        train("experiment", settings(), project, Recorder(lambda epoch: (_ for _ in ()).throw(RuntimeError())))
    (checkpoint,) = project.glob(".anamnesis/checkpoints/experiment/*.ckpt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:size])
    capsys.readouterr()
    train("experiment", settings(), project, Recorder())
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note:")]
    assert re.fullmatch(r"note: .*\.ckpt is damaged \(.*\); the training starts anew", line)
    assert files_of(project / "models" / "experiment") == whole


def test_a_loss_that_is_no_number_stops_the_run_and_leaves_no_model(project: Path) -> None:
    watch = Recorder()
    wild = settings(training={"optimizer": "sgd", "learning_rate": 1e38, "clip_norm": None})
    with pytest.raises(AnamnesisError, match=r"experiments\.wild: the training loss at step \d+ is (NaN|infinite)"):
        train("wild", wild, project, watch)
    assert watch.ended == "failed"
    assert not (project / "models" / "wild").exists()


def test_the_weights_kept_are_those_of_the_best_epoch(project: Path) -> None:
    rising = settings(training={"epochs": 6, "learning_rate": 1.5, "clip_norm": None})
    train("rising", rising, project, Recorder())
    rows = history(project / "models" / "rising")
    perplexities = [row["valid_perplexity"] for row in rows]
    best = int(np.argmin(perplexities))
    assert best < len(rows) - 1, "the case needs a best epoch that is not the last"
    model = saved.load(project / "models" / "rising")
    assert model.card["best_epoch"] == best + 1
    ids = open_split(project / "data" / "tokens" / "characters", "valid").astype(np.int64)
    scores, _ = model.predict(ids[None, :-1], model.initial_state())
    nats = -np.take_along_axis(scores[0], ids[1:, None], 1).mean()
    # The validation while training reads the split in parallel streams, after a warm-up each.
    assert math.exp(nats) == pytest.approx(perplexities[best], rel=2e-3)


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_the_validation_score_does_not_depend_on_the_batches(project: Path, kind: str) -> None:
    start = settings(kind, model={"dropout": 0.0}, training={"epochs": 2, "learning_rate": 0.02})
    train("start", start, project, Recorder())
    weights = saved.load(project / "models" / "start").network.state_dict()
    found = {}
    streams = [{"kind": "streams", "batch": batch, "steps": 40} for batch in (8, 64)]
    for batches in (*streams, {"kind": "windows", "batch": 32, "length": 10, "step": 50}):
        # So small a step changes no weight.
        still = settings(kind, model={"dropout": 0.0}, batches=batches, training={"epochs": 1, "learning_rate": 1e-30})
        with pytest.MonkeyPatch.context() as patch:
            new = RecurrentNetwork.__init__

            def trained(network: RecurrentNetwork, *arguments: Any, new: Any = new) -> None:
                new(network, *arguments)
                network.load_state_dict(weights)

            patch.setattr(RecurrentNetwork, "__init__", trained)
            train("still", still, project, Recorder())
        found[str(batches)] = history(project / "models" / "still")[0]["valid_perplexity"]
    assert len(set(found.values())) == 1, found
    model, store = saved.load(project / "models" / "still"), project / "data" / "tokens" / kind
    scores = evaluate_splits("", model, store, ("valid",))["valid"].metrics
    assert scores["perplexity"] == pytest.approx(found.popitem()[1], rel=2e-3)


def test_early_stopping_waits_for_patience_epochs(project: Path) -> None:
    stalled = settings(
        batches={"kind": "streams", "batch": 128, "steps": 40},
        training={"epochs": 20, "patience": 2, "learning_rate": 1e-30},
    )
    train("stalled", stalled, project, Recorder())
    assert len(history(project / "models" / "stalled")) == 3


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"kind": "constant"}, [1.0, 1.0, 1.0, 1.0]),
        ({"kind": "decay", "factor": 0.5, "after": 2}, [1.0, 1.0, 0.5, 0.25]),
        # The loss never improves on the first epoch's, so after one bad epoch, and each further one, it is divided.
        ({"kind": "plateau", "divide_by": 4.0, "patience": 1}, [1.0, 1.0, 1 / 4, 1 / 16]),
        # An epoch has 6 steps; its row tells the rate of the last one.
        (
            {"kind": "cosine", "final": 0.2},
            [0.2 + 0.8 * (1 + math.cos(math.pi * (6 * k - 1) / (6 * 4))) / 2 for k in (1, 2, 3, 4)],
        ),
    ],
)
def test_learning_rate_schedules(schedule: dict[str, Any], expected: list[float], project: Path) -> None:
    rate = 1e-30 if schedule["kind"] == "plateau" else 1e-6
    scheduled = settings(
        model={"layers": 1},
        batches={"kind": "streams", "batch": 128, "steps": 40},
        training={"epochs": 4, "learning_rate": rate, "schedule": schedule},
    )
    train("scheduled", scheduled, project, Recorder())
    rates = [row["learning_rate"] / rate for row in history(project / "models" / "scheduled")]
    assert rates == pytest.approx(expected, rel=1e-4)


def test_a_request_to_terminate_ends_with_another_code_than_success(project: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            train("ended", settings(), project, Recorder(lambda epoch: os.kill(os.getpid(), signal.SIGTERM)))
        except SystemExit as error:
            os._exit(error.code if isinstance(error.code, int) else 99)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGTERM
    assert not (project / "models" / "ended").exists()


def test_hello_is_learned_by_heart(tmp_path: Path) -> None:
    from anamnesis.data.stores import store
    from anamnesis.data.tokenizers.settings import Characters

    (tmp_path / "hello.txt").write_text("hello")
    sources = dict.fromkeys(("train", "valid", "test"), tmp_path / "hello.txt")
    store.write(tmp_path / "data" / "tokens" / "hello", Characters(kind="characters", corpus="hello"), sources)
    toy = Experiment.model_validate(
        {
            "task": "language",
            "tokens": "hello",
            "model": {"architecture": "rnn", "hidden": 16},
            "batches": {"kind": "streams", "batch": 1, "steps": 4},
            "training": {"epochs": 60, "learning_rate": 0.03},
            "sampling": {"prompt": "h", "length": 4, "temperature": 0.1},
        }
    )
    train("hello-rnn", toy, tmp_path, Recorder())
    assert (tmp_path / "models" / "hello-rnn" / "samples.txt").read_text().endswith("== after epoch 60 ==\nhello\n")
