"""Characters and bigrams: decoding restores the text, and the vocabulary comes from the training split."""

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anamnesis.data.tokenizers import bigrams, characters

TEXT = st.text(st.one_of(st.sampled_from("ab\n\f\r 🙂字"), st.characters(codec="utf-8")), max_size=60)


def split_at(text: str, places: list[int]) -> list[str]:
    bounds = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(bounds) if a < b]


def bigrams_by_hand(text: str) -> list[str]:
    """The definition, one document at a time: a line with only a form feed separates two documents."""
    result = []
    for part in re.split(r"(?:(?<=\n)|\A)(\f\n)", text):
        result += [part[i : i + 2] for i in range(0, len(part), 2)]
    return result


def test_characters_are_ranked_by_count_then_code_point():
    tokenizer = characters.learn(["bb", "aac", "c", "dxd"])
    assert tokenizer.tokens == ["<unk>", "a", "b", "c", "d", "x"]
    assert tokenizer.encode("abxq").tolist() == [1, 2, 5, 0]
    assert tokenizer.encode("abxq").dtype == np.int64
    assert tokenizer.decode([1, 2, 0, 5]) == "ab\ufffdx"
    assert tokenizer.encode("a\udcff").tolist() == [1, 0]  # half of a character in a prompt


@pytest.mark.parametrize("module", [characters, bigrams])
def test_a_literal_special_token_is_plain_text(module):
    tokenizer = module.learn(["<unk></s>"])
    ids = tokenizer.encode("<unk><s>")
    assert 0 not in ids
    assert tokenizer.decode(ids) == "<unk><s>"


@pytest.mark.parametrize("module", [characters, bigrams])
@given(text=TEXT, places=st.lists(st.integers(0, 1000), max_size=8))
def test_round_trip_whatever_the_blocks(module, text, places):
    tokenizer = module.learn([text] if text else [])
    whole = tokenizer.encode(text)
    assert tokenizer.decode(whole) == text
    assert len(list(tokenizer.stream(whole))) == len(whole)
    blocks = split_at(text, places)
    assert np.concatenate([np.empty(0), *(chunk.ids for chunk in tokenizer.chunks(blocks))]).tolist() == whole.tolist()
    assert module.learn(blocks).tokens == tokenizer.tokens


@given(train=TEXT, text=TEXT)
def test_bigrams_of_another_text_fall_back_to_characters(train, text):
    tokenizer = bigrams.learn([train] if train else [])
    known = Counter(bigrams_by_hand(train))
    assert set(tokenizer.tokens[1:]) == set(known) | set(train)
    expected = []
    for piece in bigrams_by_hand(text):
        expected += [piece] if piece in known else list(piece)
    expected = [piece if piece in known or piece in train else "<unk>" for piece in expected]
    assert [tokenizer.tokens[i] for i in tokenizer.encode(text)] == expected
    assert tokenizer.decode(tokenizer.encode(text)) == "".join(p if p in train else "\ufffd" for p in text)


def test_each_document_is_cut_by_itself():
    tokenizer = bigrams.learn(["the end\n\f\nabc\n\f\nx\fy\n"])
    pieces = [tokenizer.tokens[i] for i in tokenizer.encode("the end\n\f\nabc\n\f\nx\fy\n")]
    assert pieces == ["th", "e ", "en", "d\n", "\f\n", "ab", "c\n", "\f\n", "x\f", "y\n"]


def test_large_and_small_alphabets_give_the_same_ids(monkeypatch):
    text = "".join(chr(0x4E00 + i * i % 997) for i in range(4000))
    other = "".join(chr(0x4E00 + i * 7 % 1100) for i in range(4000))
    small = bigrams.learn([text])
    monkeypatch.setattr(bigrams, "TABLE", 4)
    large = bigrams.learn([text])
    assert large._table is None
    assert small._table is not None
    assert large.encode(text + other).tolist() == small.encode(text + other).tolist()
