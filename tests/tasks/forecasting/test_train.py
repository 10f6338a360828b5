"""Training a forecaster: the same bytes after an interruption, a scale of the training split alone, a task learnt."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listener import Recorder

from anamnesis import models as folders
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting import saved
from anamnesis.tasks.forecasting.forecaster import least_squares
from anamnesis.tasks.forecasting.settings import Experiment
from anamnesis.tasks.forecasting.train import train
from anamnesis.tasks.forecasting.windows import windows

from .conftest import write_store

Make = Callable[..., Experiment]
FLOORS = ("last", "average", "ar")
NETWORKS = ("fc", "rnn", "gru", "lstm")


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("architecture", ["fc", "lstm"])
def test_interrupted_and_run_again_gives_the_same_bytes(project: Path, experiment: Make, architecture: str) -> None:
    settings, folder = experiment(architecture), project / "models" / "mine"
    train("mine", settings, project, Recorder())
    expected = content(folder)
    assert set(expected) == {"model.json", "weights.safetensors", "history.csv"}
    train("mine", settings, project, Recorder())
    assert content(folder) == expected
    shutil.rmtree(folder)

    def kill(epoch: int) -> None:
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        train("mine", settings, project, Recorder(kill))
    assert not folder.exists()
    assert list((project / ".anamnesis" / "checkpoints" / "mine").iterdir())
    resumed = Recorder()
    train("mine", settings, project, resumed)
    assert content(folder) == expected
    assert resumed.ended == folders.read_card(folder)["fingerprint"]


@pytest.mark.parametrize("architecture", ["ar", "gru"])
def test_the_test_split_changes_no_weight(
    project: Path, experiment: Make, series: dict[str, Any], tmp_path: Path, architecture: str
) -> None:
    train("mine", experiment(architecture), project, Recorder())
    other = tmp_path / "other"
    write_store(other, series | {"test": series["test"] * 100 + 7})
    train("mine", experiment(architecture), other, Recorder())
    weights = [folders.read(root / "models" / "mine")[1] for root in (project, other)]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        np.testing.assert_array_equal(value, weights[1][name])
    assert weights[0]["mean"] == pytest.approx(np.mean(series["train"]))
    assert weights[0]["scale"] == pytest.approx(np.std(series["train"]))


@pytest.mark.parametrize("architecture", NETWORKS)
def test_what_training_tells_is_what_the_model_does(
    project: Path, experiment: Make, series: dict[str, Any], architecture: str
) -> None:
    watch = Recorder()
    train("mine", experiment(architecture), project, watch)
    model = saved.load(project / "models" / "mine")
    assert model.card["fingerprint"] == watch.ended
    assert (model.card["task"], model.card["architecture"]) == ("forecast", architecture)
    read, wanted = windows(np.concatenate([series["train"][-4:], series["valid"]]), 4)
    rmse = np.sqrt(np.square(model.predict(read) - wanted).mean())
    # In the units of the data, over the values that evaluation scores.
    assert watch.rows[model.card["best_epoch"]]["valid_rmse"] == pytest.approx(rmse, rel=1e-5)
    assert watch.rows[3]["train_rmse"] < watch.rows[1]["train_rmse"]
    weights = folders.read(project / "models" / "mine")[1]
    learnt = sum(value.size for name, value in weights.items() if name not in ("mean", "scale"))
    assert model.card["parameters"] == learnt


def test_ar_is_least_squares_of_the_training_split(project: Path, experiment: Make, series: dict[str, Any]) -> None:
    train("mine", experiment("ar"), project, Recorder())
    model = saved.load(project / "models" / "mine")
    assert model.card["parameters"] == 5
    # Standardising changes the numbers of the regression, not its forecasts.
    coefficients, intercept = least_squares(series["train"], 4)
    read, _ = windows(series["test"], 4)
    np.testing.assert_allclose(model.predict(read), read @ coefficients + intercept, rtol=1e-9)


def test_a_network_learns_what_no_linear_model_can(tmp_path: Path, experiment: Make) -> None:
    # The logistic map: uncorrelated values, each a parabola of the one before.
    series = [0.3]
    while len(series) < 400:
        series.append(3.9 * series[-1] * (1 - series[-1]))
    write_store(tmp_path, dict(zip(("train", "valid", "test"), np.split(np.array(series), [300, 350]), strict=True)))
    trained = {"epochs": 40, "learning_rate": 0.02, "schedule": {"kind": "cosine"}, "checkpoint_steps": 1000}
    train("fc", experiment("fc", model={"window": 1, "hidden": 8}, training=trained), tmp_path, Recorder())
    train("ar", experiment("ar", model={"window": 1}), tmp_path, Recorder())
    read, wanted = windows(np.array(series[350:]), 1)
    errors = {
        name: np.sqrt(np.square(saved.load(tmp_path / "models" / name).predict(read) - wanted).mean())
        for name in ("fc", "ar")
    }
    assert errors["fc"] < errors["ar"] / 5


@pytest.mark.parametrize(
    ("splits", "changes", "said"),
    [
        ({"train": [1.0, 2.0, 3.0, 4.0]}, {}, r"found 4 values in train; `model\.window` asks for at least 5"),
        ({"valid": np.arange(6.0)}, {}, "found 6 values in valid; `steps` asks for at least 7"),
        ({}, {"steps": 45}, "found 40 values in valid; `steps` asks for at least 45"),
        ({"train": np.full(30, 2.5)}, {}, "train: found 30 values with a standard deviation of 0; allowed: above 0"),
    ],
)
@pytest.mark.parametrize("architecture", ["ar", "rnn"])
def test_a_series_that_does_not_do_is_refused_in_one_line(
    tmp_path: Path, experiment: Make, series: dict[str, Any], architecture: str, splits: Any, changes: Any, said: str
) -> None:
    write_store(tmp_path, series | splits)
    watch = Recorder()
    with pytest.raises(AnamnesisError, match=said) as caught:
        train("mine", experiment(architecture, **changes), tmp_path, watch)
    assert "\n" not in str(caught.value)
    assert watch.ended == "failed"
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("architecture", FLOORS)
def test_a_floor_is_the_same_twice(project: Path, experiment: Make, architecture: str) -> None:
    train("mine", experiment(architecture), project, Recorder())
    first = content(project / "models" / "mine")
    assert set(first) == {"model.json", "weights.safetensors"}
    train("mine", experiment(architecture), project, Recorder())
    assert content(project / "models" / "mine") == first
