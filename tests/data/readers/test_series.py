"""Series: splits that follow each other in time, and times in one form."""

import re

import pytest

from anamnesis.errors import AnamnesisError

KEYS = {"reader": "series", "minimum": 3, "split": {"valid": 1, "test": 1}}


def test_a_series_is_cut_in_time(read, join):
    months = [f"{1749 + number / 12:.10f}".rstrip("0").rstrip(".") for number in range(120)]
    table = '"","time","sunspot.month"\n' + "".join(f'"{n}",{when},{n}.5\n' for n, when in enumerate(months))
    keys = {"value": "sunspot.month", "calendar": "decimal-year", "split": {"valid": 0.1, "test": 0.2}}
    splits, counts = read({"reader": "series"} | keys, ("s.csv", table))
    assert join(splits) == [[f"{1749 + n // 12}-{n % 12 + 1:02d}", f"{n}.5"] for n in range(120)]
    assert counts == {"train": {"rows": 84}, "valid": {"rows": 12}, "test": {"rows": 24}}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('time,"x\ny"\n1,2\n', r"no column 'value'; there are time, x\\ny"),
        ("", "no column 'time'; there are none"),
        ("time,value,value\n1,2,3\n", "2 columns are named 'value'"),
        ("time,value\n1\n", "line 2: 1 columns; 2 are expected"),
        ("time,value\n1,2\n2,abc\n", "line 3: 'abc' is not a number"),
        ("time,value\n1,nan\n", "line 2: 'nan' is not a number"),
        ("time,value\n1,\u0661\n", "line 2: '\u0661' is not a number"),
        ("time,value\n1,2\n", "only 1 rows; at least 30"),
    ],
)
def test_tables_that_are_no_series(read, table, problem):
    with pytest.raises(AnamnesisError, match=problem):
        read({"reader": "series"}, ("s.csv", table))


def a_table(times: list[str]) -> str:
    return "time,value\n" + "".join(f"{time},{number}\n" for number, time in enumerate(times))


@pytest.mark.parametrize(
    ("times", "written"),
    [
        (["1998", "1999", "2001"], None),
        (["-1", "0", "0.5", "1e3"], None),
        (["9999999", "10000000", "10000001"], None),
        (["2019-11", "2019-12", "2020-01"], None),
        (["20191231", "20200101", "20200102"], ["2019-12-31", "2020-01-01", "2020-01-02"]),
        (["2020-01", "2020-01-31", "2020-02"], ["2020-01-01", "2020-01-31", "2020-02-01"]),
        (["2020-01-01T00:00", "2020-01-02T00:00", "2020-01-03"], ["2020-01-01", "2020-01-02", "2020-01-03"]),
        (["2020-01-01 00:01", "2020-01-01T00:02", "2020-01-01 00:03:00"], [f"2020-01-01 00:0{n}" for n in (1, 2, 3)]),
        ([f"2020-01-01 00:00:0{n}" for n in (1, 2, 3)], None),
        ([f"2020-03-0{n}T00:00+02:00" for n in (1, 2, 3)], [f"2020-03-0{n}" for n in (1, 2, 3)]),
    ],
)
def test_times_get_one_form(read, join, times, written):
    rows = join(read(KEYS, ("s.csv", a_table(times)))[0])
    assert rows == [[time, str(number)] for number, time in enumerate(written or times)]


@pytest.mark.parametrize(
    ("times", "problem"),
    [
        (["1", "2", "2.0"], "line 4: 2.0 occurs twice; allowed: each date once, in ascending order"),
        (["1", "3", "2"], "line 4: 2 comes after 3"),
        (["2020-01", "2020-02", "2020-02-01"], "line 4: 2020-02-01 occurs twice"),
        (["2020-01-01 00:01", "2020-01-01 00:02", "2020-01-01 00:01"], "line 4: 2020-01-01 00:01 comes after 2020"),
        (["Q1 1900", "Q2 1900", "Q3 1900"], "line 2: 'Q1 1900' is not a date; allowed: 2020-01, 2020-01-31, "),
        (["1900", "1901", "1902-01"], "line 2: '1900' is not a date"),
        (["2020-02-29", "2020-02-30", "2020-03-01"], "line 3: '2020-02-30' is not a date"),
        (["2020-03-01T00:00+01:00", "2020-03-02", "2020-03-03"], "line 3: 2020-03-02 has another offset from UTC than"),
        (["nan", "1", "2"], "line 2: 'nan' is not a date"),
    ],
)
def test_times_that_are_refused(read, times, problem):
    with pytest.raises(AnamnesisError, match=re.escape(f"s.csv: {problem}")):
        read(KEYS, ("s.csv", a_table(times)))


@pytest.mark.parametrize("year", ["1e308", "0.5", "10000", "1_900"])
def test_years_that_are_refused(read, year):
    with pytest.raises(AnamnesisError, match=f"line 4: '{year}' is not a year with decimals from 1 to 9999"):
        read(KEYS | {"calendar": "decimal-year"}, ("s.csv", a_table(["1900", "1900.5", year])))


def test_two_splits_share_no_time(read):
    times = {"train": ["01", "02", "03"], "valid": ["05"], "test": ["03", "04"]}
    files = [(f"{name}.csv", a_table([f"2020-{month}" for month in months]), name) for name, months in times.items()]
    with pytest.raises(AnamnesisError, match=r"test.csv: line 2: 2020-03 is in another split, too"):
        read({"reader": "series", "minimum": 3}, *files)
