"""Numbering words, windows of known words only, and what the network reads of them."""

import numpy as np
import pytest
import torch

from anamnesis.data.tokenizers.characters import Characters
from anamnesis.data.tokenizers.words import Words
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.numbers.module import shares
from anamnesis.tasks.numbers.numbering import first_appearance, numbers, windows

TOKENIZER = Words(["<unk>", "<s>", "</s>", "the", ",", "cat", "a", "--", "dog", "."])
# "A cat, the cat. The dog." in lower case
TRAIN = np.array([1, 6, 5, 4, 3, 5, 9, 2, 1, 3, 8, 9, 2], np.uint8)


def test_words_are_numbered_as_they_appear_and_marks_are_none():
    words = first_appearance(TRAIN, TOKENIZER)
    assert [TOKENIZER.tokens[token] for token in words] == ["a", "cat", "the", "dog"]
    assert numbers(TRAIN, words, TOKENIZER).tolist() == [1, 2, 3, 2, 3, 4]
    # An unknown word has the number 0; marks and sentence ends leave no gap.
    assert numbers(np.array([1, 8, 7, 0, 2, 1, 6]), words, TOKENIZER).tolist() == [4, 0, 1]


def test_other_tokens_than_words_are_refused():
    with pytest.raises(AnamnesisError, match="found kind characters; allowed: words"):
        first_appearance(np.array([1, 2]), Characters(["<unk>", "a", "b"]))
    with pytest.raises(AnamnesisError, match="no word to number"):
        first_appearance(np.array([1, 9, 2]), TOKENIZER)


def test_windows_with_an_unseen_word_are_left_out():
    found = windows(np.array([1, 2, 3, 0, 4, 5, 6, 7]), 2)
    assert found.tolist() == [[1, 2, 3], [4, 5, 6], [5, 6, 7]]
    for row, window in (([1, 2, 0, 3, 4], 2), ([1, 2], 2), ([], 1)):
        with pytest.raises(AnamnesisError, match=f"model.window: found {window}"):
            windows(np.array(row, np.int64), window)


def test_windows_become_shares_of_the_number_of_words():
    read, wanted = shares(np.arange(1, 31).reshape(10, 3), 30)(torch.tensor([9, 0]))
    assert read.tolist() == pytest.approx(np.array([[28, 29], [1, 2]]) / 30)
    assert wanted.tolist() == pytest.approx([1, 0.1])
    assert read.dtype == wanted.dtype == torch.float32
