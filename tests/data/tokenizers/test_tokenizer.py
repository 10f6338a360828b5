"""tokenizer.json, which is loaded or refused in one line, and the keys of an entry of `tokens`."""

import json

import pytest
from pydantic import ValidationError

from anamnesis.data.tokenizers import bigrams, characters, subwords, tokenizer, words
from anamnesis.errors import AnamnesisError

TEXT = "To be, or not to be: that is the question.\nTo die? To sleep.\n"
LEARNED = [
    characters.learn([TEXT]),
    bigrams.learn([TEXT]),
    words.learn([TEXT], limit=12, lower=True),
    words.learn(["天地玄黄。"], language="zh"),
    words.learn([TEXT], sentences="lines"),
    subwords.learn([TEXT], 262),
    words.learn([TEXT], delete=",:"),
]


@pytest.mark.parametrize("learned", LEARNED, ids=lambda learned: learned.kind)
def test_saved_and_loaded(learned, tmp_path):
    tokenizer.save(learned, tmp_path / "tokenizer.json")
    loaded = tokenizer.load(tmp_path / "tokenizer.json")
    assert type(loaded) is type(learned)
    assert loaded.tokens == learned.tokens
    other = "To be unknown. 天地"
    assert loaded.encode(TEXT + other).tolist() == learned.encode(TEXT + other).tolist()
    assert loaded.decode(loaded.encode(TEXT)) == learned.decode(learned.encode(TEXT))
    content = (tmp_path / "tokenizer.json").read_bytes()
    tokenizer.save(loaded, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == content


def changed(number: int, **values) -> bytes:
    learned = LEARNED[number]
    content = {"format": 1, "kind": learned.kind, "tokens": learned.tokens, **learned.state_dict(), **values}
    return json.dumps({key: value for key, value in content.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "JSON"),
        (b"\xff" + changed(0), "not a tokenizer"),
        (changed(0, format=2), "format"),
        (changed(0, more=1), "more"),
        (changed(0, tokens=["<unk>", 7]), "tokens.1"),
        (changed(0, tokens=["a", "b"]), "start with <unk>"),
        (changed(0, tokens=["<unk>", "a", "a"]), "twice"),
        (changed(0, tokens=["<unk>", "ab"]), "one character"),
        (changed(1, tokens=["<unk>", "a", "ab"]), "missing"),
        (changed(1, tokens=["<unk>", "a", "aaa"]), "one or two"),
        (changed(2, tokens=["<unk>", "</s>", "<s>"]), "start with"),
        (changed(2, lower="yes"), "lower"),
        (changed(2, language="th"), "spaces"),
        (changed(5, tokens=LEARNED[5].tokens[1:]), "byte"),
        (changed(5, tokens=[*LEARNED[5].tokens, "字"]), "no symbol of a byte"),
        (changed(5, merges=[["a", "zz"]]), "merge"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(content, says, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(AnamnesisError) as caught:
        tokenizer.load(path)
    assert str(caught.value).startswith(f"{path}: not a tokenizer")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(AnamnesisError, match="no such file"):
        tokenizer.load(path)


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
