"""Captions as ids, against a loop over digits and letters."""

import numpy as np

from anamnesis.tasks.captioning import letters


def test_every_row_is_spelled_as_a_loop_spells_it() -> None:
    random = np.random.default_rng(1)
    digits, counts = random.integers(10, size=(200, 5)), random.integers(1, 6, 200)
    ids, lengths = letters.spelled(digits, counts)
    assert ids.shape == (200, 5 * letters.WIDEST)
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    for row, count, written, length in zip(digits, counts, ids.tolist(), lengths, strict=True):
        expected = [
            1 + ord(letter) - ord("a") if letter != " " else 0 for letter in " ".join(names[d] for d in row[:count])
        ]
        assert written[: length - 1] == expected
        assert length == len(expected) + 1
        assert set(written[length - 1 :]) == {letters.END}


def test_what_stands_behind_a_row_does_not_matter() -> None:
    one, other = np.array([[3, 7, -5]]), np.array([[3, 7, 99]])
    counts = np.array([2])
    np.testing.assert_array_equal(letters.spelled(one, counts)[0], letters.spelled(other, counts)[0])


def test_letters_come_back() -> None:
    text = "three seven one zero"
    assert letters.decode(letters.encode(text)) == text
    assert letters.decode([letters.START, *letters.encode("one"), letters.END]) == "one"
    assert letters.SIZE == 29
    assert len({letters.START, letters.END, *letters.encode(letters.ALPHABET)}) == letters.SIZE
