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

from anamnesis.errors import AnamnesisError
from anamnesis.forecasting import saved
from anamnesis.forecasting.evaluation import evaluate, scores
from anamnesis.forecasting.settings import Experiment
from anamnesis.forecasting.train import train

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
    for split in ("valid", "test"):
        values = series[split].tolist()
        # The first 6 values are read and not scored.
        errors = [values[index] - values[index - 1] for index in range(6, len(values))]
        free = [
            values[origin + step] - values[origin - 1] for origin in range(6, len(values) - 7 + 1) for step in range(7)
        ]
        found = metrics[split]
        assert found["rmse"] == pytest.approx(math.sqrt(sum(e * e for e in errors) / len(errors)), rel=1e-5)
        assert found["mae"] == pytest.approx(sum(map(abs, errors)) / len(errors), rel=1e-5)
        assert found["skill"] == 0
        assert found["rmse_free_running"] == pytest.approx(math.sqrt(sum(e * e for e in free) / len(free)), rel=1e-5)
        assert (found["targets"], found["origins"]) == (SIZES[split] - 6, SIZES[split] - 6 - 7 + 1)


@pytest.mark.parametrize("architecture", ["average", "ar", "fc", "lstm"])
def test_predictions_are_what_the_model_forecasts(
    project: Path, experiment: Make, series: dict[str, Any], architecture: str
) -> None:
    metrics = ran(project, experiment(architecture))
    folder, model = project / "predictions" / "mine", saved.load(project / "models" / "mine")
    rows = table(folder / "forecasts.csv")
    assert [row["time"] for row in rows] == [str(time) for time in range(sum(SIZES.values()))]
    first = {"train": 4, "valid": 6, "test": 6}
    for split, values in series.items():
        own = [row for row in rows if row["split"] == split]
        assert [float(row["value"]) for row in own] == pytest.approx(values.tolist())
        assert [row["forecast"] for row in own[: first[split]]] == [""] * first[split]
        expected = [model.predict(values[None, index - 4 : index])[0] for index in range(first[split], len(values))]
        assert [float(row["forecast"]) for row in own[first[split] :]] == pytest.approx(expected, rel=1e-4)
    values, loop = series["test"], {}
    for origin in range(6, len(values) - 7 + 1):
        written = values[:origin].tolist()
        for _ in range(7):
            written.append(model.predict(np.array([written[-4:]]))[0])
        loop[origin] = written[origin:]
    runs = table(folder / "free.csv")
    assert [row["origin"] for row in runs] == [origin for origin in "123" for _ in range(7)]
    starts = {"1": 6, "2": 6 + (len(loop) - 1) // 2, "3": max(loop)}
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


def test_all_models_of_a_series_are_scored_on_the_same_values(project: Path, experiment: Make) -> None:
    counts = []
    for window in (1, 3, 6):
        metrics = ran(project, experiment("ar", model={"window": window}))
        counts.append([(metrics[split]["targets"], metrics[split]["origins"]) for split in ("valid", "test")])
    assert counts[0] == counts[1] == counts[2]


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
