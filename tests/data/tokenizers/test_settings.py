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
        {"kind": "words", "delete": ",s"},
        {"kind": "words", "delete": ", "},
        {"kind": "words", "delete": ",", "language": "zh"},
        {"kind": "subwords"},
        {"kind": "subwords", "size": 255},
        {"kind": "word-pairs", "languages": ["en"]},
        {"kind": "word-pairs", "languages": ["en", "ja"]},
        {"kind": "word-pairs", "size": 300},
        {"kind": "word-pairs", "longest": 0},
        {"kind": "subword-pairs"},
        {"kind": "subword-pairs", "size": 300, "languages": ["en", "Dutch"]},
        {"kind": "subword-pairs", "size": 300, "limit": 8},
    ],
)
def test_refused(values, entry):
    with pytest.raises(ValidationError):
        entry(**values)


def test_defaults(entry):
    words = entry(kind="words")
    assert (words.limit, words.minimum_count, words.language, words.lower) == (None, 1, "en", False)
    assert words.corpus == "small"
    pairs = entry(kind="subword-pairs", size=300)
    assert (pairs.languages, pairs.shared, pairs.longest) == (["en", "nl"], True, None)
    assert entry(kind="subword-pairs", size=300, languages=["en", "ja"]).languages == ["en", "ja"]
