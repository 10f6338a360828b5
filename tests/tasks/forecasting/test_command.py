"""`anamnesis forecast` on files as people have them: what it answers, draws and writes, and what it refuses."""

import csv
import re
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from listener import Recorder
from settings_files import write_settings
from typer.testing import CliRunner

from anamnesis import cli, numerics, params
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting import observed, saved
from anamnesis.tasks.forecasting.forecaster import onwards
from anamnesis.tasks.forecasting.train import train

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
  waves-ar: {task: forecasting, tokens: waves, steps: 7, model: {architecture: ar, window: 4}}
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
def forecast(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """forecast(arguments, content=..., model=...): the rows it prints for a file of that content."""
    monkeypatch.setattr(numerics, "pin", lambda: None)

    def run(*arguments: str, content: str | bytes | None = None, model: str = "waves-ar") -> list[list[str]]:
        monkeypatch.chdir(root / "mine")
        if content is None:
            content = table(MONTHS, VALUES)
        Path("mine.csv").write_bytes(content.encode() if isinstance(content, str) else content)
        done = CliRunner().invoke(cli.app, ["forecast", "mine.csv", "--model", model, *arguments])
        if done.exception:
            assert done.stdout == ""
            raise done.exception
        return [line.split("\t") for line in done.stdout.splitlines()]

    return run


def table(dates: list[Any], values: list[Any], head: str = "month,sales") -> str:
    return "".join([head + "\n", *(f"{date},{value}\n" for date, value in zip(dates, values, strict=True))])


@pytest.mark.parametrize("model", ["waves-last", "waves-ar", "waves-lstm"])
@pytest.mark.parametrize("rescale", [False, True])
def test_it_prints_what_the_library_forecasts(
    forecast: Callable[..., Any], root: Path, model: str, rescale: bool
) -> None:
    head, *rows = forecast("--steps", "5", *(["--rescale"] if rescale else []), model=model)
    assert head == ["date", "forecast"]
    assert [row[0] for row in rows] == ["2021-01", "2021-02", "2021-03", "2021-04", "2021-05"]
    expected = onwards(saved.load(root / "models" / model), np.array(VALUES), 5, rescale).ahead
    assert [row[1] for row in rows] == [f"{value:.6g}" for value in expected]


def test_it_writes_and_draws_here(forecast: Callable[..., Any], root: Path) -> None:
    rows = forecast("--steps", "3", "--output", "next.csv", "--plot", "next.png")
    with open(root / "mine" / "next.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == rows
    picture = root / "mine" / "next.png"
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    first = picture.read_bytes()
    forecast("--steps", "3", "--plot", "next.png")
    assert picture.read_bytes() == first
    forecast("--steps", "3", "--plot", "next.SVG")
    drawn = (root / "mine" / "next.SVG").read_bytes()
    assert ElementTree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
    forecast("--steps", "3", "--plot", "next.SVG")
    assert (root / "mine" / "next.SVG").read_bytes() == drawn


def test_missing_months_are_refused_or_filled(forecast: Callable[..., Any], root: Path) -> None:
    there = [number for number in range(24) if number not in (5, 6, 20)]
    gaps = table([MONTHS[number] for number in there], [VALUES[number] for number in there])
    with pytest.raises(AnamnesisError) as caught:
        forecast(content=gaps)
    assert str(caught.value) == (
        f"{root / 'mine' / 'mine.csv'}: 3 of 24 months have no value: 2019-06, 2019-07, 2020-09; "
        "--fill interpolate puts them on straight lines between their neighbours"
    )
    straight = np.interp(np.arange(24), there, [VALUES[number] for number in there])
    expected = onwards(saved.load(root / "models" / "waves-ar"), straight, 12).ahead
    rows = forecast("--fill", "interpolate", content=gaps)[1:]
    assert [row[1] for row in rows] == [f"{value:.6g}" for value in expected]
    assert rows[0][0] == "2021-01"
    # A month without a value is missing as one without a row is.
    blank = table(MONTHS, [VALUES[number] if number in there else "" for number in range(24)])
    assert forecast("--fill", "interpolate", content=blank)[1:] == rows
    with pytest.raises(AnamnesisError, match="3 of 24 months have no value: 2019-06, 2019-07, 2020-09; "):
        forecast(content=blank)


def dates(start: str, unit: str, number: int, step: int = 1) -> list[str]:
    return [str(np.datetime64(start) + np.timedelta64(step * index, unit)) for index in range(number)]


@pytest.mark.parametrize(
    ("given", "following"),
    [
        (MONTHS, ["2021-01", "2021-02"]),
        ([f"{month}-01" for month in MONTHS], ["2021-01", "2021-02"]),
        (["2020-01-31", "2020-02-29", "2020-03-31", "2020-04-30", "2020-05-31"], ["2020-06", "2020-07"]),
        (dates("2020-02-25", "D", 9), ["2020-03-05", "2020-03-06"]),
        (dates("2020-12-02", "D", 9, 7), ["2021-02-03", "2021-02-10"]),
        (["2019-12-31", "2020-03-31", "2020-06-30", "2020-09-30", "2020-12-31"], ["2021Q1", "2021Q2"]),
        (["2016-07-01", "2017-07-01", "2018-07-01", "2019-07-01", "2020-07-01"], ["2021", "2022"]),
        ([f"2020-01-01 {hour:02d}:00" for hour in range(20, 24)] + ["2020-01-02T00:00"], ["2020-01-02 01:00"]),
        (list(range(1998, 2008)), ["2008", "2009"]),
        (list(range(-20, 40, 10)), ["40", "50"]),
        # An offset from UTC that all dates have says nothing of the day or month that they are in.
        ([f"{date}T00:00:00+02:00" for date in dates("2020-01-02", "D", 9)], ["2020-01-11", "2020-01-12"]),
        ([f"{month}-01T00:00+01:00" for month in MONTHS], ["2021-01", "2021-02"]),
        ([f"{month}-01 23:30:00-05:00" for month in MONTHS], ["2021-01", "2021-02"]),
        ([f"{date}T00:00:00Z" for date in dates("2020-01-02", "D", 9)], ["2020-01-11", "2020-01-12"]),
        (["20200228", "20200229", "20200301", "20200302"], ["2020-03-03", "2020-03-04"]),
    ],
)
def test_dates_go_on_as_they_came(forecast: Callable[..., Any], given: list[Any], following: list[str]) -> None:
    content = table(given, VALUES[: len(given)])
    rows = forecast("--date", "month", "--value", "sales", "--steps", "2", content=content)[1:]
    assert [row[0] for row in rows][: len(following)] == following


def test_columns_are_guessed_where_there_is_one_of_a_kind(forecast: Callable[..., Any]) -> None:
    expected = forecast()
    shop = "".join(f'"shop, left",{month},{value},\n' for month, value in zip(MONTHS, VALUES, strict=True))
    assert forecast(content="\ufeffshop,month,sales,note\r\n" + shop.replace("\n", "\r\n")) == expected
    two = "".join(f"{n},{month},{value}\n" for n, (month, value) in enumerate(zip(MONTHS, VALUES, strict=True)))
    assert forecast("--value", "sales", content=",month,sales\n" + two) == expected
    with pytest.raises(AnamnesisError, match=r"several columns hold numbers; say which with --value: the columns are "):
        forecast(content="n,month,sales\n" + two)
    with pytest.raises(AnamnesisError, match=r"several columns hold dates; say which with --date: .* a, b, c$"):
        forecast(content="a,b,c\n" + "".join(f"{month},{month},1\n" for month in MONTHS))
    # With one of two named as the values, the other is the dates.
    with pytest.raises(AnamnesisError, match="line 2: '2019-01' is not a number"):
        forecast("--value", "b", content="a,b,c\n" + "".join(f"{month},{month},1\n" for month in MONTHS))


def broken(row: int, line: str) -> str:
    lines = table(MONTHS, VALUES).splitlines()
    lines[row - 1] = line
    return "\n".join(lines) + "\n"


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "the file is empty; allowed: a CSV file with a header row"),
    "a header only": ("month,sales\n", "there are no rows below the header"),
    "one row": ("month,sales\n2020-01,3\n", "found 1 row; allowed: 2 or more, whose dates say how far apart they are"),
    "too few rows": (table(MONTHS[:3], VALUES[:3]), "found 3 values; the model reads 4 to make one forecast"),
    "not UTF-8": (b"month,sales\n2020-01,\xff\n", "found bytes that are not UTF-8; allowed: a CSV file in UTF-8"),
    "twice": (broken(4, "2019-02,1"), "line 4: 2019-02 is there twice; allowed: each date once, in ascending order"),
    "unsorted": (broken(4, "2018-12,1"), "line 4: 2018-12 comes after 2019-02; allowed: each date once, in ascending"),
    "backwards": (table(MONTHS[::-1], VALUES), "line 3: 2020-11 comes after 2020-12; allowed: each date once"),
    "too near": (broken(4, "2019-02-20,1"), "line 4: 2019-02-20 is too near to 2019-02: dates are months apart"),
    "no number": (broken(5, "2019-04,many"), "line 5: 'many' is not a number"),
    "infinite": (broken(5, "2019-04,inf"), "line 5: 'inf' is not a number"),
    "not a number": (broken(5, "2019-04,nan"), "line 5: 'nan' is not a number"),
    "no date": (broken(5, "April,3"), "line 5: 'April' is not a date; allowed: 2020-01, 2020-01-31, "),
    "no such month": (broken(5, "2019-13,3"), "line 5: '2019-13' is not a date; allowed: "),
    "no such day": (broken(5, "2019-02-30,3"), "line 5: '2019-02-30' is not a date; allowed: "),
    "another offset": (
        "month,sales\n2020-01-01T00:00+01:00,1\n2020-02-01T00:00+01:00,2\n2020-03-01T00:00+02:00,3\n",
        "line 4: 2020-03-01T00:00+02:00 has another offset from UTC than 2020-01-01T00:00+01:00; allowed: one for all",
    ),
    "an offset in one row": (
        "month,sales\n2020-01-01,1\n2020-02-01T00:00Z,2\n",
        "line 3: 2020-02-01T00:00Z has another offset from UTC than 2020-01-01; allowed: one for all dates, or none",
    ),
    "an underscore": (broken(5, "2019-04,1_000"), "line 5: '1_000' is not a number"),
    "an empty date": (broken(5, ",3"), "line 5: '' is not a date; allowed: "),
    "after a blank line": (broken(5, "\n2019-04,many"), "line 6: 'many' is not a number"),
    "too many columns": (broken(5, "2019-04,3,4"), "not a table with the same columns on every line: "),
    "semicolons": (
        table(MONTHS, VALUES).replace(",", ";"),
        "columns are separated by ';'; allowed: ','",
    ),
    "no value first": (broken(2, "2019-01,"), "line 2: the first date has no value; remove the line"),
    "no value last": (broken(25, "2020-12,"), "line 25: the last date has no value; remove the line"),
    "other dates": (
        "month,sales\n" + "".join(f"{n}/1/2020,3\n" for n in range(1, 9)),
        "no column holds dates; say which with --date: the columns are month, sales",
    ),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_does_not_do_is_refused_in_one_line(
    forecast: Callable[..., Any], root: Path, content: str | bytes, said: str
) -> None:
    for path in (root / "mine").iterdir():
        path.unlink()
    with pytest.raises(AnamnesisError, match=re.escape(said)) as caught:
        forecast("--output", "next.csv", "--plot", "next.svg", content=content)
    assert "\n" not in str(caught.value)
    assert [path.name for path in (root / "mine").iterdir()] == ["mine.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--date", "day"], 1, "--date: {file} has no column 'day'; there are month, sales"),
        (["--value", "day"], 1, "--value: {file} has no column 'day'; there are month, sales"),
        (["--date", "month", "--value", "month"], 1, "--value: found 'month', which is the column with the dates"),
        (["--plot", "x.pdf"], 2, "--plot: found 'x.pdf'; allowed: a name that ends with .png or .svg"),
        (["--output", "x.txt"], 2, "--output: found 'x.txt'; allowed: a name that ends with .csv"),
        (["--model", "waves-gru"], 2, "no experiment is named 'waves-gru'"),
    ],
)
def test_options_that_do_not_do_are_refused(
    forecast: Callable[..., Any], root: Path, arguments: list[str], code: int, said: str
) -> None:
    with pytest.raises(AnamnesisError) as caught:
        forecast(*arguments)
    assert str(caught.value).startswith(said.format(file=root / "mine" / "mine.csv"))
    assert caught.value.exit_code == code


def test_a_file_that_is_not_there(forecast: Callable[..., Any], root: Path, tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no.csv", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(AnamnesisError, match=f"{path}: cannot be read: {reason}$"):
            observed.read(path)


def test_dates_as_whole_numbers_that_miss_a_step(forecast: Callable[..., Any]) -> None:
    options = ["--date", "month", "--value", "sales"]
    with pytest.raises(AnamnesisError, match="line 5: 35 comes 5 after 30; usual are 10"):
        forecast(*options, content=table([10, 20, 30, 35, 45, 55], VALUES[:6]))
    with pytest.raises(AnamnesisError, match=r"5 of 10 dates have no value: 40, 50, 60, \.\.\.; --fill"):
        forecast(*options, content=table([10, 20, 30, 90, 100], VALUES[:5]))
    with pytest.raises(AnamnesisError, match=r"6 of 11 dates have .*; allowed: at most as many as there are values"):
        forecast(*options, "--fill", "interpolate", content=table([10, 20, 30, 100, 110], VALUES[:5]))


def test_a_gap_of_centuries_takes_no_memory(forecast: Callable[..., Any]) -> None:
    seconds = [f"2020-01-01 00:00:{second:02d}" for second in range(9)]
    with pytest.raises(
        AnamnesisError,
        match=r"2,524,607,991 of 2,524,608,001 seconds have no value: 2020-01-01 00:00:09, .*; allowed: at most",
    ):
        forecast("--fill", "interpolate", content=table([*seconds, "2100-01-01 00:00:00"], VALUES[:10]))


def test_without_a_model_the_only_registered_champion_forecasts(
    root: Path, forecast: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from anamnesis.tracking import registry

    expected = forecast(model="waves-lstm")
    monkeypatch.setattr(registry, "only", lambda board: f"{board}-waves")
    monkeypatch.setattr(registry, "resolve", {"forecast-waves@champion": root / "models" / "waves-lstm"}.__getitem__)
    monkeypatch.chdir(root / "mine")
    done = CliRunner().invoke(cli.app, ["forecast", "mine.csv"])
    assert [line.split("\t") for line in done.stdout.splitlines()] == expected


def test_values_far_from_the_training_series_are_warned_of(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(numerics, "pin", lambda: None)
    monkeypatch.chdir(root / "mine")

    def said(factor: float, *arguments: str, model: str = "waves-lstm") -> str:
        Path("mine.csv").write_text(table(MONTHS, [factor * value for value in VALUES]))
        done = CliRunner().invoke(cli.app, ["forecast", "mine.csv", "--model", model, *arguments])
        assert done.exit_code == 0, done.output
        return done.stderr

    card = saved.load(root / "models" / "waves-lstm")
    far = abs(1e6 * np.median(VALUES) - card.mean) / card.scale
    line = f"warning: the values lie {far:,.0f} standard deviations from the mean of the series that waves-lstm was "
    assert said(1e6).startswith(line)
    assert said(1) == said(1e6, "--rescale") == said(1e6, model="waves-last") == ""


def test_values_beyond_single_precision_raise_no_warning_of_numpy(forecast: Callable[..., Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = forecast("--steps", "2", content=table(MONTHS, [1e300] * 24), model="waves-lstm")
    assert len(rows) == 3
