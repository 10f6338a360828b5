"""Captions as ids, against a loop over digits and letters."""

import numpy as np

from anamnesis.tasks.captioning.model import letters


def test_captions_are_those_of_a_loop() -> None:
    random = np.random.default_rng(1)
    digits, counts = random.integers(10, size=(200, 5)), random.integers(1, 6, 200)
    ids, lengths = letters.spell(digits, counts)
    assert ids.shape == (200, 5 * letters.WIDEST)
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    for row, count, written, length in zip(digits, counts, ids.tolist(), lengths, strict=True):
        text = " ".join(names[digit] for digit in row[:count])
        assert written[: length - 1] == ["abcdefghijklmnopqrstuvwxyz".find(letter) + 1 for letter in text]
        assert length == len(text) + 1
        assert set(written[length - 1 :]) == {letters.END}
        assert letters.decode([letters.START, *written]) == text
        assert letters.encode(text) == written[: length - 1]
    behind = np.where(np.arange(5) < counts[:, None], digits, 99)
    np.testing.assert_array_equal(letters.spell(behind, counts)[0], ids)
