"""Training a forecaster: a scale of the training split alone, the errors that it reports, a map that it learns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listener import Recorder

from anamnesis import models
from anamnesis.errors import AnamnesisError
from anamnesis.stages.train import train
from anamnesis.tasks.forecasting.model.examples import windows
from anamnesis.tasks.forecasting.model.forecaster import least_squares
from anamnesis.tasks.forecasting.settings import Experiment

from .conftest import write_store

Make = Callable[..., Experiment]


@pytest.mark.parametrize("architecture", ["ar", "mean", "gru"])
def test_the_test_split_changes_no_weight(
    project: Path, experiment: Make, series: dict[str, Any], tmp_path: Path, architecture: str
) -> None:
    train("mine", experiment(architecture), project, Recorder())
    other = tmp_path / "other"
    write_store(other, series | {"test": series["test"] * 100 + 7})
    train("mine", experiment(architecture), other, Recorder())
    first, second = (models.read(root / "models" / "mine")[1] for root in (project, other))
    assert {name: value.tolist() for name, value in first.items()} == {
        name: value.tolist() for name, value in second.items()
    }
    assert first["mean"] == pytest.approx(np.mean(series["train"]))
    assert first["scale"] == pytest.approx(np.std(series["train"]))


@pytest.mark.parametrize("architecture", ["fc", "lstm"])
def test_training_reports_the_errors_of_the_model(
    project: Path, experiment: Make, series: dict[str, Any], architecture: str
) -> None:
    watch = Recorder()
    train("mine", experiment(architecture), project, watch)
    model = models.load(project / "models" / "mine")
    examples = windows(np.concatenate([series["train"][-4:], series["valid"]]), 4)
    rmse = np.sqrt(np.square(model.predict(examples.windows) - examples.targets).mean())
    # In the units of the data, over the values that evaluation scores.
    assert watch.rows[model.card["best_epoch"]]["valid_rmse"] == pytest.approx(rmse, rel=1e-5)
    assert watch.rows[3]["train_rmse"] < watch.rows[1]["train_rmse"]
    weights = models.read(project / "models" / "mine")[1]
    learned = sum(value.size for name, value in weights.items() if name not in ("mean", "scale"))
    assert model.card["parameters"] == learned


def test_ar_is_least_squares_of_the_training_split(project: Path, experiment: Make, series: dict[str, Any]) -> None:
    train("mine", experiment("ar"), project, Recorder())
    model = models.load(project / "models" / "mine")
    assert model.card["parameters"] == 5
    # Standardising changes the coefficients, not the forecasts.
    coefficients, intercept = least_squares(windows(series["train"], 4))
    values = windows(series["test"], 4).windows
    np.testing.assert_allclose(model.predict(values), values @ coefficients + intercept, rtol=1e-9)


def test_a_network_learns_what_no_linear_model_can(tmp_path: Path, experiment: Make) -> None:
    # The logistic map: uncorrelated values, each a parabola of the one before.
    series = [0.3]
    while len(series) < 400:
        series.append(3.9 * series[-1] * (1 - series[-1]))
    write_store(tmp_path, dict(zip(("train", "valid", "test"), np.split(np.array(series), [300, 350]), strict=True)))
    training = {"epochs": 40, "learning_rate": 0.02, "schedule": {"kind": "cosine"}, "checkpoint_steps": 1000}
    train("fc", experiment("fc", model={"window": 1, "hidden": 8}, training=training), tmp_path, Recorder())
    train("ar", experiment("ar", model={"window": 1}), tmp_path, Recorder())
    examples = windows(np.array(series[350:]), 1)
    fc, ar = (
        np.square(models.load(tmp_path / "models" / name).predict(examples.windows) - examples.targets).mean()
        for name in ("fc", "ar")
    )
    assert fc < ar / 25


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": [1.0, 2.0, 3.0, 4.0]}, r"found 4 values in train; `model\.window` asks for at least 5"),
        ({"valid": np.arange(6.0)}, "found 6 values in valid; `steps` asks for at least 7"),
        ({"train": np.full(30, 2.5)}, "train: found 30 values with a standard deviation of 0; allowed: above 0"),
    ],
)
def test_a_series_that_does_not_fit_is_refused(
    tmp_path: Path, experiment: Make, series: dict[str, Any], splits: Any, message: str
) -> None:
    write_store(tmp_path, series | splits)
    with pytest.raises(AnamnesisError, match=message):
        train("mine", experiment("ar"), tmp_path, Recorder())
