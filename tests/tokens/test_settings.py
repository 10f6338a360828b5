"""The keys of an entry of `tokens`."""

import pytest
from pydantic import ValidationError


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "syllables"},
        {"kind": "characters", "limit": 5},
        {"kind": "words", "limit": 3},
        {"kind": "words", "limit": "10"},
        {"kind": "words", "minimum_count": 0},
        {"kind": "words", "language": "ja"},
        {"kind": "words", "language": "English"},
        {"kind": "words", "sentences": "no"},
        {"kind": "subwords"},
        {"kind": "subwords", "size": 255},
    ],
)
def test_refused(values, entry):
    with pytest.raises(ValidationError):
        entry(**values)


def test_defaults(entry):
    words = entry(kind="words")
    assert (words.limit, words.minimum_count, words.language, words.lower) == (None, 1, "en", False)
    assert words.corpus == "small"
