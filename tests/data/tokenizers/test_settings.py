"""The keys of an entry of `tokens`."""

import pytest
from pydantic import ValidationError


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "syllables"},
        {"kind": "characters", "limit": 5},
        {"kind": "words", "limit": 3},
        {"kind": "words", "minimum_count": 0},
        {"kind": "words", "language": "ja"},
        {"kind": "words", "sentences": "no"},
        {"kind": "words", "delete": ",s"},
        {"kind": "words", "delete": ",", "language": "zh"},
        {"kind": "subwords"},
        {"kind": "subwords", "size": 255},
        {"kind": "word-pairs", "languages": ["en"]},
        {"kind": "word-pairs", "longest": 0},
    ],
)
def test_settings_that_are_refused(values, entry):
    with pytest.raises(ValidationError):
        entry(**values)


def test_subwords_need_no_spaces_between_words(entry):
    assert entry(kind="subword-pairs", size=300, languages=["en", "ja"]).languages == ["en", "ja"]
