"""`anamnesis forecast`: what it prints, writes and draws, its warning, and the options that it refuses."""

import csv
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import Result
from listener import Recorder
from settings_files import write_settings
from typer.testing import CliRunner

from anamnesis import cli, models, numerics, params
from anamnesis.stages.train import train
from anamnesis.tasks.forecasting.continuation import continue_series

from .conftest import write_store

SETTINGS = yaml.safe_load("""
profile: laptop
corpora: {}
own_corpora:
  waves: {reader: series, source: {kind: file, path: waves.csv}}
tokens:
  waves: {corpus: waves, kind: series}
experiments:
  waves-last: {task: forecasting, tokens: waves, steps: 7, model: {architecture: last}}
  waves-lstm:
    task: forecasting
    tokens: waves
    steps: 7
    model: {architecture: lstm, window: 4, hidden: 3}
    training: {epochs: 1, learning_rate: 0.01}
""")
MONTHS = [f"{2019 + number // 12}-{number % 12 + 1:02d}" for number in range(24)]
VALUES = [round(40 + 9 * np.sin(number / 4), 3) for number in range(24)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, series: dict[str, Any]) -> Path:
    """A project with forecasters, and a folder `mine` in it."""
    root = tmp_path_factory.mktemp("project")
    write_settings(root, SETTINGS)
    (root / "dvc.yaml").write_text("stages: {}\n")
    write_store(root, series)
    for name, experiment in params.load(root / "params.yaml").experiments.items():
        train(name, experiment, root, Recorder())
    (root / "mine").mkdir()
    return root


@pytest.fixture
def forecast(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """forecast(arguments, factor=1.0, model=...): the result for a file of monthly values, multiplied by `factor`."""
    monkeypatch.setattr(numerics, "pin", lambda: None)

    def run(*arguments: str, factor: float = 1.0, model: str = "waves-lstm") -> Result:
        # Each command leaves the process in the project's folder.
        monkeypatch.chdir(root / "mine")
        rows = [f"{month},{factor * value}" for month, value in zip(MONTHS, VALUES, strict=True)]
        Path("mine.csv").write_text("\n".join(["month,sales", *rows]) + "\n")
        return CliRunner().invoke(cli.app, ["forecast", "mine.csv", "--model", model, *arguments])

    return run


@pytest.mark.parametrize("rescale", [False, True])
def test_it_prints_the_forecasts_of_the_library(forecast: Callable[..., Result], root: Path, rescale: bool) -> None:
    done = forecast("--steps", "2", *(["--rescale"] if rescale else []))
    expected = continue_series(models.load(root / "models" / "waves-lstm"), np.array(VALUES), 2, rescale).ahead
    assert done.stdout == f"date\tforecast\n2021-01\t{expected[0]:.6g}\n2021-02\t{expected[1]:.6g}\n"


def test_it_writes_and_draws_in_the_current_folder(forecast: Callable[..., Result], root: Path) -> None:
    done = forecast("--steps", "3", "--output", "next.csv", "--plot", "next.png")
    with open(root / "mine" / "next.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [line.split("\t") for line in done.stdout.splitlines()]
    assert (root / "mine" / "next.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    drawings = []
    for _ in range(2):
        forecast("--steps", "3", "--plot", "next.SVG")
        drawings.append((root / "mine" / "next.SVG").read_bytes())
    assert ElementTree.fromstring(drawings[0]).tag == "{http://www.w3.org/2000/svg}svg"
    assert drawings[0] == drawings[1]


def test_values_far_from_the_training_series_cause_a_warning(forecast: Callable[..., Result], root: Path) -> None:
    model = models.load(root / "models" / "waves-lstm")
    far = abs(1e6 * np.median(VALUES) - model.mean) / model.scale
    line = f"warning: the values lie {far:,.0f} standard deviations from the mean of the series that waves-lstm was "
    assert forecast(factor=1e6).stderr.startswith(line)
    for quiet in (forecast(), forecast("--rescale", factor=1e6), forecast(factor=1e6, model="waves-last")):
        assert (quiet.exit_code, quiet.stderr) == (0, "")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Beyond single precision.
        assert forecast(factor=1e300).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--value", "day"], "--value: {file} has no column 'day'; there are month, sales"),
        (["--plot", "x.pdf"], "--plot: found 'x.pdf'; allowed: a name that ends with .png or .svg"),
        (["--output", "x.txt"], "--output: found 'x.txt'; allowed: a name that ends with .csv"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    forecast: Callable[..., Result], root: Path, arguments: list[str], message: str
) -> None:
    done = forecast(*arguments)
    assert str(done.exception).startswith(message.format(file=root / "mine" / "mine.csv"))
