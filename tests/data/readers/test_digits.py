"""Handwritten digits."""

import gzip

import pytest

from anamnesis.errors import AnamnesisError


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
