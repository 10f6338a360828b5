"""The whole way of a regression on word numbers: trained, killed and resumed, loaded, evaluated."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listener import Recorder
from pydantic import ValidationError

from anamnesis.data.stores.store import open_split
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language import evaluation
from anamnesis.tasks.numbers.saved import load
from anamnesis.tasks.numbers.settings import Experiment
from anamnesis.tasks.numbers.train import train


@pytest.fixture
def project(stores: Path, tmp_path: Path) -> Path:
    (tmp_path / "data").symlink_to(stores / "data")
    return tmp_path


def settings(**changes: Any) -> Experiment:
    content = {
        "task": "language",
        "objective": "word-number",
        "tokens": "words",
        "model": {"architecture": "fc", "window": 3, "hidden": 5},
        "batch": 64,
        "training": {"epochs": 3, "learning_rate": 0.01, "checkpoint_steps": 7},
        "length": 6,
    }
    return Experiment.model_validate({**content, **changes})


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_killed_and_run_again_gives_the_same_bytes(project):
    whole = Recorder()
    train("whole", settings(), project, whole)

    def kill(epoch):
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        train("killed", settings(), project, Recorder(kill))
    assert not (project / "models" / "killed").exists()
    assert list((project / ".anamnesis" / "checkpoints" / "killed").iterdir())
    again = Recorder()
    train("killed", settings(), project, again)
    first, second = (files_of(project / "models" / name) for name in ("whole", "killed"))
    for name in ("weights.safetensors", "history.csv", "samples.txt", "tokenizer.json"):
        assert first[name] == second[name]
    assert (project / "models" / "whole" / "history.csv").read_text().startswith("epoch,learning_rate,train_rmse,valid")
    assert again.ended == load(project / "models" / "killed").card["fingerprint"]


def test_the_model_is_evaluated_beside_its_floors(project):
    train("fc", settings(), project, Recorder())
    evaluation.evaluate("fc", settings(), project)
    metrics = json.loads((project / "metrics" / "fc.json").read_text())
    assert metrics["board"] == "word-number"
    assert metrics["parameters"] == 3 * 5 + 5 + 5 + 1
    history = (project / "models" / "fc" / "history.csv").read_text().splitlines()[1:]
    best = min(float(row.split(",")[3]) for row in history)
    assert metrics["valid"]["rmse"] == pytest.approx(best, rel=1e-4)
    samples = json.loads((project / "predictions" / "fc" / "samples.json").read_text())
    assert [sorted(sample) for sample in samples] == [["prompt", "strategy", "text"]] * 3
    assert all(len(sample["text"].split()) <= 6 for sample in samples)


def test_the_mean_is_its_own_floor(project):
    mean = settings(model={"architecture": "mean", "window": 3}, training=None)
    train("mean", mean, project, Recorder())
    evaluation.evaluate("mean", mean, project)
    metrics = json.loads((project / "metrics" / "mean.json").read_text())
    assert metrics["parameters"] == 1
    for split in ("valid", "test"):
        assert metrics[split]["rmse"] == metrics[split]["mean_rmse"]


def test_words_come_back_by_their_numbers(project, stores):
    train("fc", settings(training={"epochs": 1, "learning_rate": 0.01}), project, Recorder())
    model = load(project / "models" / "fc")
    ids = open_split(stores / "data" / "tokens" / "words", "train")
    places = [int(np.flatnonzero(ids == word)[0]) for word in model.words.tolist()]
    assert places == sorted(places)
    # `predict` of the loaded weights is reproducible and in word numbers.
    windows = np.array([[1, 2, 3]])
    assert np.isfinite(model.predict(windows)).all()
    assert np.array_equal(model.predict(windows), load(project / "models" / "fc").predict(windows))


def test_a_damaged_or_foreign_model_is_refused(project):
    train("fc", settings(training={"epochs": 1, "learning_rate": 0.01}), project, Recorder())
    with pytest.raises(AnamnesisError, match="other tokens"):
        evaluation.evaluate("fc", settings(tokens="characters"), project)
    path = project / "models" / "fc" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(AnamnesisError, match="weights"):
        load(project / "models" / "fc")


def test_settings_that_do_not_go_together_are_refused():
    with pytest.raises(ValidationError, match="needs a `training` block"):
        settings(training=None)
    with pytest.raises(ValidationError, match="remove `training`"):
        settings(model={"architecture": "mean", "window": 3})
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        settings(model={"architecture": "fc", "window": 0, "hidden": 5})
