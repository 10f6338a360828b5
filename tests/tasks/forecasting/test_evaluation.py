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

from anamnesis import models as folders
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting import saved
from anamnesis.tasks.forecasting.evaluation import evaluate, scores
from anamnesis.tasks.forecasting.settings import Experiment
from anamnesis.tasks.forecasting.train import train
from anamnesis.tasks.forecasting.windows import with_past

from .conftest import SIZES, write_store

Make = Callable[..., Experiment]


def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def ran(project: Path, settings: Experiment) -> dict[str, Any]:
    train("mine", settings, project, Recorder())
    evaluate("mine", settings, project)
    found: dict[str, Any] = json.loads((project / "metrics" / "mine.json").read_text())
    return found


def test_skill_by_hand() -> None:
    values, before = np.array([2.0, 4.0, 3.0]), np.array([1.0, 2.0, 4.0])
    # Errors 1, -1, 0 of the forecasts; -1, -2, 1 of the last value.
    found = scores(np.array([3.0, 3.0, 3.0]), values, before)
    assert found == {"rmse": pytest.approx(math.sqrt(2 / 3), rel=1e-5), "mae": 0.666667, "skill": 0.666667}
    assert scores(values, values, before) == {"rmse": 0.0, "mae": 0.0, "skill": 1.0}
    assert scores(before, values, before)["skill"] == 0.0
    # Worse than the last value is below 0; where that makes no error, there is no skill.
    assert scores(np.array([9.0, 9.0, 9.0]), values, before)["skill"] < 0
    assert scores(np.array([3.0, 3.0, 3.0]), values, values).keys() == {"rmse", "mae"}


def test_the_last_value_by_hand(project: Path, experiment: Make, series: dict[str, Any]) -> None:
    metrics = ran(project, experiment("last"))
    assert (metrics["board"], metrics["parameters"]) == ("forecast", 0)
    for split, before in (("valid", "train"), ("test", "valid")):
        # The last value of the split before forecasts the first.
        values = [series[before].tolist()[-1], *series[split].tolist()]
        errors = [values[index] - values[index - 1] for index in range(1, len(values))]
        free = [
            values[origin + step] - values[origin - 1] for origin in range(1, len(values) - 7 + 1) for step in range(7)
        ]
        found = metrics[split]
        assert found["rmse"] == pytest.approx(math.sqrt(sum(e * e for e in errors) / len(errors)), rel=1e-5)
        assert found["mae"] == pytest.approx(sum(map(abs, errors)) / len(errors), rel=1e-5)
        assert found["skill"] == 0
        assert found["rmse_free_running"] == pytest.approx(math.sqrt(sum(e * e for e in free) / len(free)), rel=1e-5)
        assert (found["targets"], found["origins"]) == (SIZES[split], SIZES[split] - 7 + 1)


@pytest.mark.parametrize("architecture", ["average", "ar", "fc", "lstm"])
def test_predictions_are_what_the_model_forecasts(
    project: Path, experiment: Make, series: dict[str, Any], architecture: str
) -> None:
    metrics = ran(project, experiment(architecture))
    folder, model = project / "predictions" / "mine", saved.load(project / "models" / "mine")
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
    assert (folder / "curve.csv").exists() == (architecture in ("fc", "lstm"))


def test_the_same_forecasts_score_the_same_at_every_window(project: Path, experiment: Make) -> None:
    """AR with a coefficient of 1 on the last value is the last value, however much it reads."""
    found = {"last": ran(project, experiment("last"))}
    for window in (1, 3, 40):
        train("mine", experiment("ar", model={"window": window}), project, Recorder())
        folder = project / "models" / "mine"
        card, weights = folders.read(folder)
        arrays = weights | {"coefficients": np.eye(window)[-1], "intercept": np.zeros(1)}
        folders.save(folder, arrays, card, {})
        evaluate("mine", experiment("ar", model={"window": window}), project)
        found[window] = json.loads((project / "metrics" / "mine.json").read_text())
    for metrics in found.values():
        for split in ("valid", "test"):
            for key in ("rmse", "mae", "rmse_free_running", "targets", "origins"):
                assert metrics[split][key] == pytest.approx(found["last"][split][key], rel=1e-5)
        assert metrics["question"] == found["last"]["question"]


def test_other_steps_are_another_question(project: Path, experiment: Make) -> None:
    questions = [ran(project, experiment("last", steps=steps))["question"] for steps in (7, 7, 5)]
    assert questions[0] == questions[1]
    assert {key: questions[0][key] == questions[2][key] for key in ("asked", "valid", "test")} == dict.fromkeys(
        ("asked", "valid", "test"), False
    )


def test_the_past_is_what_came_just_before_in_time_and_never_of_the_test_split_for_validation(tmp_path: Path) -> None:
    folder = write_store(tmp_path, {"train": [3.0, 1.0, 4.0], "valid": [9.0, 2.0], "test": [1.0, 5.0]}, "usual")
    assert with_past(folder, "valid", 2).tolist() == [1, 4, 9, 2]
    assert with_past(folder, "test", 3).tolist() == [4, 9, 2, 1, 5]
    # Where there is no past, the mean of the training values.
    assert with_past(folder, "test", 7).tolist() == [8 / 3, 8 / 3, 3, 1, 4, 9, 2, 1, 5]
    # As of the corpus of sines: train, then test, then valid.
    folder = write_store(tmp_path, {"train": [3.0, 1.0, 4.0], "test": [1.0, 5.0], "valid": [9.0, 2.0]})
    assert with_past(folder, "test", 2).tolist() == [1, 4, 1, 5]
    assert with_past(folder, "valid", 3).tolist() == [8 / 3, 8 / 3, 8 / 3, 9, 2]
    folder = write_store(tmp_path, {"valid": [6.0, 7.0], "train": [3.0, 1.0, 2.0], "test": [8.0]}, "later")
    assert with_past(folder, "valid", 2).tolist() == [2, 2, 6, 7]
    assert with_past(folder, "test", 4).tolist() == [7, 3, 1, 2, 8]


def test_evaluating_twice_gives_the_same_bytes(project: Path, experiment: Make) -> None:
    def content() -> dict[str, bytes]:
        paths = [*(project / "predictions").rglob("*.csv"), project / "metrics" / "mine.json"]
        return {path.name: path.read_bytes() for path in paths}

    ran(project, experiment("gru"))
    first = content()
    assert set(first) == {"forecasts.csv", "free.csv", "steps.csv", "curve.csv", "mine.json"}
    evaluate("mine", experiment("gru"), project)
    assert content() == first


def test_a_model_of_another_series_is_refused(project: Path, experiment: Make, series: dict[str, Any]) -> None:
    ran(project, experiment("ar"))
    write_store(project, series | {"train": series["train"][1:]})
    with pytest.raises(
        AnamnesisError, match=r"trained on another series than .*waves holds; run `anamnesis repro mine`"
    ):
        evaluate("mine", experiment("ar"), project)
