"""Tables: series that are cut in time, labelled documents, and handwritten digits."""

import gzip
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


def test_a_published_test_split_stays(read):
    head = "Category\tText\nd\tstring\nclass\t\n\n"
    train = [(f"c{n % 2}", f"text {n}") for n in range(100)]
    test = [("c0", "Text  7"), ("c1", "new"), ("c1", "new")]
    keys = {"reader": "documents", "label": "Category", "text": ["Text"], "split": {"valid": 0.2}}
    splits, counts = read(
        keys,
        ("a-train.tab", head + "".join(f"{label}\t{content} \n" for label, content in train), "train"),
        ("a-test.tab", head + "".join(f"{label}\t{content}\n" for label, content in test), "test"),
    )
    assert [tuple(row) for row in splits["test"]] == test
    assert sorted(map(tuple, splits["train"] + splits["valid"])) == sorted(set(train) - {("c1", "text 7")})
    assert counts["train"]["removed_as_duplicates"] == 1
    assert sum(row[0] == "c0" for row in splits["valid"]) == 10


def test_several_columns_without_a_header_and_a_heading_in_some_files(read, join):
    rows = [f'"{n % 3 + 1}","Title {n}","Said ""{n}"",\nnext line"' for n in range(40)]
    columns = {"columns": ["label", "title", "body"], "heading": ["Class", "Title", "Body"]}
    keys = {"reader": "documents", **columns, "text": ["title", "body"]}
    splits, counts = read(
        keys,
        ("with.csv", "\n".join(["Class,Title,Body", *rows[:30]]), "train"),
        ("without.csv", "\n".join(rows[30:]), "test"),
    )
    assert sorted(join(splits)) == sorted([f"{n % 3 + 1}", f'Title {n} Said "{n}",\nnext line'] for n in range(40))
    assert counts["test"]["rows"] == 10
    with pytest.raises(AnamnesisError, match=r"x.csv: line 2: 2 columns; 3 are expected"):
        read(keys, ("x.csv", "1,a,b\n2,c\n"))
    with pytest.raises(AnamnesisError, match=r"d.csv: 2 columns are named 'text'"):
        read({"reader": "documents"}, ("d.csv", "label,text,text\n"))


def test_each_digit_is_divided_in_the_same_proportion(read, join):
    images = [[*((n * 7 + p * 5) % 17 for p in range(62)), n // 17, n % 17, n % 10] for n in range(200)]
    data = gzip.compress("".join(",".join(map(str, image)) + "\n" for image in images).encode())
    splits, counts = read({"reader": "digits"}, ("d.csv.gz", data))
    assert sorted(join(splits)) == sorted([str(value) for value in image] for image in images)
    assert counts == {"train": {"rows": 160}, "valid": {"rows": 20}, "test": {"rows": 20}}
    assert sorted(row[64] for row in splits["test"]) == sorted(str(digit) for digit in range(10) for _ in range(2))


@pytest.mark.parametrize(
    "row",
    ["1,2,3", ",".join(["17"] * 65), ",".join(["1"] * 64 + ["10"]), ",".join(["x"] * 65), ",".join(["1" * 5000] * 65)],
    ids=len,
)
def test_rows_that_are_no_images(read, row):
    with pytest.raises(AnamnesisError, match=r"d.csv: line 1: not 64 numbers"):
        read({"reader": "digits"}, ("d.csv", row))
