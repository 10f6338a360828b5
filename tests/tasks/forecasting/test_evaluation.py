"""Forecasters from training to their scores, against definitions and loops."""

import math

import numpy as np
import pytest
import toys as toy

from anamnesis import models
from anamnesis.tasks.forecasting.evaluation.scores import scores
from anamnesis.tasks.forecasting.model.examples import windows
from anamnesis.tasks.forecasting.model.forecaster import least_squares
from anamnesis.tasks.forecasting.prediction import answer

STEPS, WINDOW = 7, 4


@pytest.fixture(scope="module")
def series(toys):
    """The values of each split."""
    return {
        split: np.array([float(row["value"]) for row in toy.rows(toys.root / "raw" / f"{split}-series.csv")])
        for split in ("train", "valid", "test")
    }


def test_skill_by_hand():
    values, before = np.array([2.0, 4.0, 3.0]), np.array([1.0, 2.0, 4.0])
    # The errors of the forecasts are 1, -1, 0; those of the last value are -1, -2, 1.
    found = scores(np.array([3.0, 3.0, 3.0]), values, before)
    assert found == {"rmse": pytest.approx(math.sqrt(2 / 3), rel=1e-5), "mae": 0.666667, "skill": 0.666667}
    assert scores(values, values, before) == {"rmse": 0.0, "mae": 0.0, "skill": 1.0}
    assert scores(before, values, before)["skill"] == 0.0
    # Worse than the last value is below 0; where that makes no error, there is no skill.
    assert scores(np.array([9.0, 9.0, 9.0]), values, before)["skill"] < 0
    assert scores(np.array([3.0, 3.0, 3.0]), values, values).keys() == {"rmse", "mae"}


def test_the_last_value_by_hand(toys, series):
    _, metrics, _ = toys.results("forecasting-last")
    assert metrics["parameters"] == 0
    for split, before in (("valid", "train"), ("test", "valid")):
        # The last value of the split before forecasts the first.
        values = [series[before][-1], *series[split]]
        errors = [values[index] - values[index - 1] for index in range(1, len(values))]
        origins = range(1, len(values) - STEPS + 1)
        free = [values[origin + step] - values[origin - 1] for origin in origins for step in range(STEPS)]
        found = metrics[split]
        assert found["rmse"] == pytest.approx(math.sqrt(sum(e * e for e in errors) / len(errors)), rel=1e-5)
        assert found["mae"] == pytest.approx(sum(map(abs, errors)) / len(errors), rel=1e-5)
        assert found["skill"] == 0
        assert found["rmse_free_running"] == pytest.approx(math.sqrt(sum(e * e for e in free) / len(free)), rel=1e-5)
        assert (found["targets"], found["origins"]) == (len(errors), len(origins))


@pytest.mark.parametrize("name", ["forecasting-ar", "forecasting-lstm"])
def test_predictions_are_what_the_model_forecasts(toys, series, name):
    model, metrics, folder = toys.results(name)
    rows = toy.rows(folder / "forecasts.csv")
    whole, values = np.concatenate(list(series.values())), series["test"]
    first = len(whole) - len(values)
    assert [float(row["value"]) for row in rows] == pytest.approx(whole.tolist())
    assert [row["forecast"] for row in rows[:WINDOW]] == [""] * WINDOW
    expected = [model.predict(whole[None, index - WINDOW : index])[0] for index in range(WINDOW, len(whole))]
    assert [float(row["forecast"]) for row in rows[WINDOW:]] == pytest.approx(expected, rel=1e-4)
    loop = {}
    for origin in range(len(values) - STEPS + 1):
        written = whole[: first + origin].tolist()
        for _ in range(STEPS):
            written.append(model.predict(np.array([written[-WINDOW:]]))[0])
        loop[origin] = written[first + origin :]
    runs = toy.rows(folder / "free.csv")
    assert [row["origin"] for row in runs] == [origin for origin in "123" for _ in range(STEPS)]
    for number, origin in {"1": 0, "2": (len(loop) - 1) // 2, "3": max(loop)}.items():
        own = [row for row in runs if row["origin"] == number]
        assert [row["step"] for row in own] == [str(step) for step in range(1, STEPS + 1)]
        assert [row["time"] for row in own] == [row["time"] for row in rows[first + origin : first + origin + STEPS]]
        assert [float(row["value"]) for row in own] == pytest.approx(values[origin : origin + STEPS].tolist())
        assert [float(row["forecast"]) for row in own] == pytest.approx(loop[origin], rel=1e-4)
    errors = np.array([np.array(loop[origin]) - values[origin : origin + STEPS] for origin in loop])
    steps = toy.rows(folder / "steps.csv")
    assert [row["step"] for row in steps] == [str(step) for step in range(1, STEPS + 1)]
    assert [float(row["rmse"]) for row in steps] == pytest.approx(np.sqrt((errors**2).mean(axis=0)).tolist(), rel=1e-4)
    assert metrics["test"]["rmse_free_running"] == pytest.approx(math.sqrt((errors**2).mean()), rel=1e-4)
    # The served model gives the same forecasts as text.
    text = ", ".join(map(repr, whole[:first].tolist()))
    assert answer(model, [text], {"steps": STEPS}) == [", ".join(f"{value:.6g}" for value in loop[0])]


@pytest.mark.parametrize("name", ["forecasting-fc", "forecasting-lstm"])
def test_training_reports_the_errors_of_the_model(toys, series, name):
    model, metrics, _ = toys.results(name)
    examples = windows(np.concatenate([series["train"][-WINDOW:], series["valid"]]), WINDOW)
    rmse = np.sqrt(np.square(model.predict(examples.windows) - examples.targets).mean())
    best = toy.rows(toys.model(name) / "history.csv")[model.card["best_epoch"] - 1]
    # In the units of the data, over the values that evaluation scores.
    assert float(best["valid_rmse"]) == pytest.approx(rmse, rel=1e-5)
    assert metrics["valid"]["rmse"] == pytest.approx(rmse, rel=1e-5)
    weights = models.read(toys.model(name))[1]
    assert weights["mean"] == pytest.approx(np.mean(series["train"]))
    assert weights["scale"] == pytest.approx(np.std(series["train"]))
    assert model.card["parameters"] == sum(value.size for key, value in weights.items() if key not in ("mean", "scale"))


def test_ar_is_least_squares_of_the_training_split(toys, series):
    model = toys.loaded("forecasting-ar")
    assert model.card["parameters"] == 5
    # Standardising changes the coefficients, not the forecasts.
    coefficients, intercept = least_squares(windows(series["train"], WINDOW))
    values = windows(series["test"], WINDOW).windows
    np.testing.assert_allclose(model.predict(values), values @ coefficients + intercept, rtol=1e-9)


def test_the_same_forecasts_score_the_same_at_every_window(toys, tmp_path):
    """AR with a coefficient of 1 for the last value is the baseline `last`, whatever its window."""
    _, expected, _ = toys.results("forecasting-last")
    root = toys.project("forecasting-ar", tmp_path / "project")
    for window in (1, 3, 30):
        experiment = toy.settings("forecasting-ar", model={"window": window})
        folder = toy.train("forecasting-ar", root, experiment=experiment)
        card, weights = models.read(folder)
        models.save(folder, weights | {"coefficients": np.eye(window)[-1], "intercept": np.zeros(1)}, card, {})
        toy.evaluate("forecasting-ar", root)
        found = toy.scores(root, "forecasting-ar")
        for split in ("valid", "test"):
            for key in ("rmse", "mae", "rmse_free_running", "targets", "origins"):
                assert found[split][key] == pytest.approx(expected[split][key], rel=1e-5)
        assert found["question"] == expected["question"]
    # Other steps are another question.
    toy.train("forecasting-ar", root, experiment=toy.settings("forecasting-ar", steps=5))
    toy.evaluate("forecasting-ar", root)
    other = toy.scores(root, "forecasting-ar")["question"]
    assert all(other[key] != expected["question"][key] for key in ("asked", "valid", "test"))
