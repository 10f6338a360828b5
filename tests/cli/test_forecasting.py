"""`anamnesis forecast`: what it prints, writes and draws, its warning, and the options that it refuses."""

import csv
import warnings
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from anamnesis.tasks.forecasting.continuation import continue_series

MONTHS = [f"{2019 + number // 12}-{number % 12 + 1:02d}" for number in range(24)]
VALUES = [round(40 + 9 * np.sin(number / 4), 3) for number in range(24)]
LSTM = "forecasting-lstm"


@pytest.fixture
def forecast(run, tmp_path):
    """forecast(argument, ..., factor=1.0, model=NAME): the result for a file of monthly values times `factor`."""

    def invoke(*arguments, factor=1.0, model=LSTM):
        rows = [f"{month},{factor * value}" for month, value in zip(MONTHS, VALUES, strict=True)]
        (tmp_path / "mine.csv").write_text("\n".join(["month,sales", *rows]) + "\n")
        return run("forecast", str(tmp_path / "mine.csv"), *arguments, model=model)

    return invoke


@pytest.mark.parametrize("options", [[], ["--rescale"]])
def test_it_prints_the_forecasts_of_the_library(forecast, toys, options):
    done = forecast("--steps", "2", *options)
    expected = continue_series(toys.loaded(LSTM), np.array(VALUES), 2, bool(options)).ahead
    assert done.stdout == f"date\tforecast\n2021-01\t{expected[0]:.6g}\n2021-02\t{expected[1]:.6g}\n"


def test_it_writes_and_draws(forecast, tmp_path):
    table, picture, drawing = (tmp_path / f"next.{ending}" for ending in ("csv", "png", "SVG"))
    done = forecast("--steps", "3", "--output", str(table), "--plot", str(picture))
    with open(table, encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [line.split("\t") for line in done.stdout.splitlines()]
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    drawings = []
    for _ in range(2):
        forecast("--steps", "3", "--plot", str(drawing))
        drawings.append(drawing.read_bytes())
    assert ElementTree.fromstring(drawings[0]).tag == "{http://www.w3.org/2000/svg}svg"
    assert drawings[0] == drawings[1]


def test_values_far_from_the_training_series_cause_a_warning(forecast, toys):
    model = toys.loaded(LSTM)
    far = abs(1e6 * np.median(VALUES) - model.mean) / model.scale
    line = f"warning: the values lie {far:,.0f} standard deviations from the mean of the series that {LSTM} was "
    assert forecast(factor=1e6).stderr.startswith(line)
    for quiet in (forecast(), forecast("--rescale", factor=1e6), forecast(factor=1e6, model="forecasting-last")):
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
def test_options_that_do_not_fit_are_refused(forecast, tmp_path, arguments, message):
    assert str(forecast(*arguments).exception).startswith(message.format(file=tmp_path / "mine.csv"))
