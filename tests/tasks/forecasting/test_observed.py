"""The series in a user's CSV file: its columns and dates, its gaps, and files that are refused."""

import re

import numpy as np
import pytest

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting.observed import read as read_series

MONTHS = [f"{2019 + number // 12}-{number % 12 + 1:02d}" for number in range(24)]
VALUES = [round(40 + 9 * np.sin(number / 4), 3) for number in range(24)]


@pytest.fixture
def read(tmp_path):
    """read(content, ...): the series in a file of that content."""

    def write_and_read(content, *arguments, **options):
        path = tmp_path / "mine.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_series(path, *arguments, **options)

    return write_and_read


def table(dates, values, head="month,sales"):
    return "".join([head + "\n", *(f"{date},{value}\n" for date, value in zip(dates, values, strict=True))])


def test_missing_months_are_refused_or_filled(read):
    there = [number for number in range(24) if number not in (5, 6, 20)]
    gaps = table([MONTHS[number] for number in there], [VALUES[number] for number in there])
    # A month without a value is as missing as a month without a row.
    blank = table(MONTHS, [VALUES[number] if number in there else "" for number in range(24)])
    for content in (gaps, blank):
        with pytest.raises(AnamnesisError, match="3 of 24 months have no value: 2019-06, 2019-07, 2020-09; --fill"):
            read(content)
        series = read(content, fill="interpolate")
        assert (series.filled, series.date(24), series.name) == (3, "2021-01", "sales")
        straight = np.interp(np.arange(24), there, [VALUES[number] for number in there])
        np.testing.assert_allclose(series.values, straight)


def dates(start, unit, number, step=1):
    return [str(np.datetime64(start) + np.timedelta64(step * index, unit)) for index in range(number)]


@pytest.mark.parametrize(
    ("given", "following"),
    [
        (MONTHS, ["2021-01", "2021-02"]),
        (["2020-01-31", "2020-02-29", "2020-03-31", "2020-04-30", "2020-05-31"], ["2020-06", "2020-07"]),
        (dates("2020-02-25", "D", 9), ["2020-03-05", "2020-03-06"]),
        (dates("2020-12-02", "D", 9, 7), ["2021-02-03", "2021-02-10"]),
        (["2019-12-31", "2020-03-31", "2020-06-30", "2020-09-30", "2020-12-31"], ["2021Q1", "2021Q2"]),
        (["2016-07-01", "2017-07-01", "2018-07-01", "2019-07-01", "2020-07-01"], ["2021", "2022"]),
        ([f"2020-01-01 {hour:02d}:00" for hour in range(20, 24)] + ["2020-01-02T00:00"], ["2020-01-02 01:00"]),
        (list(range(-20, 40, 10)), ["40", "50"]),
        # An offset from UTC changes neither the day nor the month.
        ([f"{month}-01 23:30:00-05:00" for month in MONTHS], ["2021-01", "2021-02"]),
        (["20200228", "20200229", "20200301", "20200302"], ["2020-03-03", "2020-03-04"]),
    ],
)
def test_dates_continue_as_they_came(read, given, following):
    series = read(table(given, VALUES[: len(given)]), "month", "sales")
    assert [series.date(len(given) + number) for number in range(len(following))] == following


def test_columns_are_found_where_there_is_one_of_a_kind(read):
    shop = "".join(f'"shop, left",{month},{value},\n' for month, value in zip(MONTHS, VALUES, strict=True))
    assert read("\ufeffshop,month,sales,note\r\n" + shop.replace("\n", "\r\n")).values.tolist() == VALUES
    two = "".join(f"{n},{month},{value}\n" for n, (month, value) in enumerate(zip(MONTHS, VALUES, strict=True)))
    assert read(",month,sales\n" + two, value="sales").values.tolist() == VALUES
    with pytest.raises(AnamnesisError, match=r"several columns hold numbers; say which with --value: the columns are "):
        read("n,month,sales\n" + two)
    with pytest.raises(AnamnesisError, match=r"several columns hold dates; say which with --date: .* a, b, c$"):
        read("a,b,c\n" + "".join(f"{month},{month},1\n" for month in MONTHS))
    for options, message in (
        ({"date": "day"}, "--date: .* has no column 'day'; there are month, sales"),
        ({"date": "month", "value": "month"}, "--value: found 'month', which is the column with the dates"),
    ):
        with pytest.raises(AnamnesisError, match=message):
            read(table(MONTHS, VALUES), **options)


def broken(row, line):
    lines = table(MONTHS, VALUES).splitlines()
    lines[row - 1] = line
    return "\n".join(lines) + "\n"


REFUSED = {
    "empty": ("", "the file is empty; allowed: a CSV file with a header row"),
    "one row": ("month,sales\n2020-01,3\n", "found 1 row; allowed: 2 or more"),
    "not UTF-8": (b"month,sales\n2020-01,\xff\n", "found bytes that are not UTF-8; allowed: a CSV file in UTF-8"),
    "unsorted": (broken(4, "2018-12,1"), "line 4: 2018-12 comes after 2019-02; allowed: each date once, in ascending"),
    "too near": (broken(4, "2019-02-20,1"), "line 4: 2019-02-20 is too near to 2019-02: dates are months apart"),
    "no date": (broken(5, "April,3"), "line 5: 'April' is not a date; allowed: 2020-01, 2020-01-31, "),
    "another offset": (
        "month,sales\n2020-01-01T00:00+01:00,1\n2020-02-01T00:00+01:00,2\n2020-03-01T00:00+02:00,3\n",
        "line 4: 2020-03-01T00:00+02:00 has another offset from UTC than 2020-01-01T00:00+01:00; allowed: one for all",
    ),
    "no number, after a blank line": (broken(5, "\n2019-04,many"), "line 6: 'many' is not a number"),
    "too many columns": (broken(5, "2019-04,3,4"), "not a table with the same columns on every line: "),
    "semicolons": (table(MONTHS, VALUES).replace(",", ";"), "columns are separated by ';'; allowed: ','"),
    "no value first": (broken(2, "2019-01,"), "line 2: the first date has no value; remove the line"),
    "other dates": (
        "month,sales\n" + "".join(f"{n}/1/2020,3\n" for n in range(1, 9)),
        "no column holds dates; say which with --date: the columns are month, sales",
    ),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_does_not_fit_is_refused(read, content, message):
    with pytest.raises(AnamnesisError, match=re.escape(message)):
        read(content)


def test_whole_numbers_and_seconds_that_miss_a_step(read):
    with pytest.raises(AnamnesisError, match="line 5: 35 comes 5 after 30; usual are 10"):
        read(table([10, 20, 30, 35, 45, 55], VALUES[:6]), "month", "sales")
    with pytest.raises(AnamnesisError, match=r"6 of 11 dates have .*; allowed: at most as many as there are values"):
        read(table([10, 20, 30, 100, 110], VALUES[:5]), "month", "sales", "interpolate")
    # A gap of 80 years takes no memory.
    seconds = [f"2020-01-01 00:00:{second:02d}" for second in range(9)]
    with pytest.raises(AnamnesisError, match=r"2,524,607,991 of 2,524,608,001 seconds have no value: .*; allowed: at"):
        read(table([*seconds, "2100-01-01 00:00:00"], VALUES[:10]), fill="interpolate")
