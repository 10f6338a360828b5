"""The scores of forecasters, against definitions and loops."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listener import Recorder

from anamnesis import models
from anamnesis.stages.evaluate import evaluate
from anamnesis.stages.train import train
from anamnesis.tasks.forecasting.evaluation.scores import scores
from anamnesis.tasks.forecasting.prediction import answer
from anamnesis.tasks.forecasting.settings import Experiment

from .conftest import SIZES

Make = Callable[..., Experiment]


def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def score(project: Path) -> dict[str, Any]:
    evaluate("mine", project)
    metrics: dict[str, Any] = json.loads((project / "metrics" / "mine.json").read_text())
    return metrics


def train_and_score(project: Path, settings: Experiment) -> dict[str, Any]:
    train("mine", settings, project, Recorder())
    return score(project)


def test_skill_by_hand() -> None:
    values, before = np.array([2.0, 4.0, 3.0]), np.array([1.0, 2.0, 4.0])
    # The errors of the forecasts are 1, -1, 0; those of the last value are -1, -2, 1.
    found = scores(np.array([3.0, 3.0, 3.0]), values, before)
    assert found == {"rmse": pytest.approx(math.sqrt(2 / 3), rel=1e-5), "mae": 0.666667, "skill": 0.666667}
    assert scores(values, values, before) == {"rmse": 0.0, "mae": 0.0, "skill": 1.0}
    assert scores(before, values, before)["skill"] == 0.0
    # Worse than the last value is below 0; where that makes no error, there is no skill.
    assert scores(np.array([9.0, 9.0, 9.0]), values, before)["skill"] < 0
    assert scores(np.array([3.0, 3.0, 3.0]), values, values).keys() == {"rmse", "mae"}


def test_the_last_value_by_hand(project: Path, experiment: Make, series: dict[str, Any]) -> None:
    metrics = train_and_score(project, experiment("last"))
    assert metrics["parameters"] == 0
    for split, before in (("valid", "train"), ("test", "valid")):
        # The last value of the split before forecasts the first.
        values = [series[before].tolist()[-1], *series[split].tolist()]
        errors = [values[index] - values[index - 1] for index in range(1, len(values))]
        origins = range(1, len(values) - 7 + 1)
        free = [values[origin + step] - values[origin - 1] for origin in origins for step in range(7)]
        found = metrics[split]
        assert found["rmse"] == pytest.approx(math.sqrt(sum(e * e for e in errors) / len(errors)), rel=1e-5)
        assert found["mae"] == pytest.approx(sum(map(abs, errors)) / len(errors), rel=1e-5)
        assert found["skill"] == 0
        assert found["rmse_free_running"] == pytest.approx(math.sqrt(sum(e * e for e in free) / len(free)), rel=1e-5)
        assert (found["targets"], found["origins"]) == (SIZES[split], SIZES[split] - 7 + 1)


@pytest.mark.parametrize("architecture", ["ar", "lstm"])
def test_predictions_are_what_the_model_forecasts(
    project: Path, experiment: Make, series: dict[str, Any], architecture: str
) -> None:
    metrics = train_and_score(project, experiment(architecture))
    folder, model = project / "predictions" / "mine", models.load(project / "models" / "mine")
    rows = table(folder / "forecasts.csv")
    assert [row["time"] for row in rows] == [str(time) for time in range(sum(SIZES.values()))]
    whole = np.concatenate(list(series.values()))
    assert [float(row["value"]) for row in rows] == pytest.approx(whole.tolist())
    assert [row["forecast"] for row in rows[:4]] == [""] * 4
    expected = [model.predict(whole[None, index - 4 : index])[0] for index in range(4, len(whole))]
    assert [float(row["forecast"]) for row in rows[4:]] == pytest.approx(expected, rel=1e-4)
    values, loop = series["test"], {}
    for origin in range(len(values) - 7 + 1):
        written = whole[: 130 + origin].tolist()
        for _ in range(7):
            written.append(model.predict(np.array([written[-4:]]))[0])
        loop[origin] = written[130 + origin :]
    runs = table(folder / "free.csv")
    assert [row["origin"] for row in runs] == [origin for origin in "123" for _ in range(7)]
    starts = {"1": 0, "2": (len(loop) - 1) // 2, "3": max(loop)}
    for number, origin in starts.items():
        own = [row for row in runs if row["origin"] == number]
        assert [row["step"] for row in own] == [str(step) for step in range(1, 8)]
        assert [int(row["time"]) for row in own] == list(range(130 + origin, 137 + origin))
        assert [float(row["value"]) for row in own] == pytest.approx(values[origin : origin + 7].tolist())
        assert [float(row["forecast"]) for row in own] == pytest.approx(loop[origin], rel=1e-4)
    errors = np.array([np.array(loop[origin]) - values[origin : origin + 7] for origin in loop])
    steps = table(folder / "steps.csv")
    assert [row["step"] for row in steps] == [str(step) for step in range(1, 8)]
    assert [float(row["rmse"]) for row in steps] == pytest.approx(np.sqrt((errors**2).mean(axis=0)).tolist(), rel=1e-4)
    assert metrics["test"]["rmse_free_running"] == pytest.approx(math.sqrt((errors**2).mean()), rel=1e-4)
    # The served model gives the same forecasts as text.
    text = ", ".join(map(repr, whole[:130].tolist()))
    assert answer(model, [text], {"steps": 7}) == [", ".join(f"{value:.6g}" for value in loop[0])]


def test_the_same_forecasts_score_the_same_at_every_window(project: Path, experiment: Make) -> None:
    """AR with a coefficient of 1 for the last value is the baseline `last`, whatever its window."""
    found = {"last": train_and_score(project, experiment("last"))}
    for window in (1, 3, 40):
        train("mine", experiment("ar", model={"window": window}), project, Recorder())
        folder = project / "models" / "mine"
        card, weights = models.read(folder)
        arrays = weights | {"coefficients": np.eye(window)[-1], "intercept": np.zeros(1)}
        models.save(folder, arrays, card, {})
        found[window] = score(project)
    for metrics in found.values():
        for split in ("valid", "test"):
            for key in ("rmse", "mae", "rmse_free_running", "targets", "origins"):
                assert metrics[split][key] == pytest.approx(found["last"][split][key], rel=1e-5)
        assert metrics["question"] == found["last"]["question"]


def test_other_steps_are_another_question(project: Path, experiment: Make) -> None:
    questions = [train_and_score(project, experiment("last", steps=steps))["question"] for steps in (7, 7, 5)]
    assert questions[0] == questions[1]
    assert all(questions[0][key] != questions[2][key] for key in ("asked", "valid", "test"))
