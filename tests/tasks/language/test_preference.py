"""Sentences against their shuffled words: the pairs, and the share of those that a model prefers."""

import math
from collections import Counter

import numpy as np
import pytest

from anamnesis.data.stores.store import open_split
from anamnesis.data.tokenizers.characters import Characters
from anamnesis.data.tokenizers.words import Words
from anamnesis.tasks.language.evaluation import preference
from anamnesis.tasks.language.evaluation.preference import shuffle_preference, shuffled_pairs
from anamnesis.tasks.language.model.uniform import UniformModel

KINDS = ["characters", "bigrams", "words", "subwords"]


@pytest.fixture
def model_and_ids(stores, baseline):
    def make(kind, *model):
        return baseline(kind, *model), open_split(stores / "data" / "tokens" / kind, "train")

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_both_versions_have_the_same_letters_in_another_order(model_and_ids, kind):
    model, ids = model_and_ids(kind)
    pairs = shuffled_pairs(model.tokenizer, ids)
    assert preference.FEWEST <= len(pairs) <= preference.SENTENCES
    for pair in pairs:
        sentence, shuffled = (model.tokenizer.decode(ids.tolist()) for ids in pair)
        assert sentence != shuffled
        # Decoded words have no space before a mark, wherever the mark stands.
        assert Counter(sentence.replace(" ", "")) == Counter(shuffled.replace(" ", ""))


def test_words_of_characters_stay_whole_and_punctuation_stays_last():
    text = 'Before it.\n\nWe love working on  deep\nlearning?!" No.\n\nAfter it all comes this.'
    tokenizer = Characters(["<unk>", *sorted(set(text))])
    ((sentence, shuffled),) = shuffled_pairs(tokenizer, tokenizer.encode(text))
    # A text begins with a line end; its incomplete first and last sentences and the short one are left out.
    assert tokenizer.decode(sentence) == '\nWe love working on deep learning?!"'
    other = tokenizer.decode(shuffled)
    assert other.startswith("\n")
    assert other.endswith('?!"')
    assert sorted(other[1:-3].split(" ")) == sorted(["We", "love", "working", "on", "deep", "learning"])


def test_words_stay_between_start_and_end_and_punctuation_stays_last():
    tokenizer = Words(["<unk>", "<s>", "</s>", "a", "b", "c", "d", ",", ".", '"'])
    ids = np.array([1, 3, 4, 7, 5, 6, 8, 9, 2, 1, 3, 4, 5, 8, 2, 1, 3, 3, 3, 3, 8, 2], np.uint8)
    # Three words are too few, and four equal ones have no other order.
    ((sentence, shuffled),) = shuffled_pairs(tokenizer, ids)
    assert sentence.tolist() == [1, 3, 4, 7, 5, 6, 8, 9, 2]
    assert shuffled.tolist()[-3:] == [8, 9, 2]
    assert sorted(shuffled.tolist()[1:-3]) == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("kind", KINDS)
def test_the_share_is_that_of_sentences_scored_one_by_one(model_and_ids, kind):
    model, ids = model_and_ids(kind)
    ids = ids[: len(ids) // 5]
    better = []
    for pair in shuffled_pairs(model.tokenizer, ids):
        nats = []
        for text in pair:
            state, total = model.initial_state(), 0.0
            for token, following in zip(text[:-1].tolist(), text[1:].tolist(), strict=True):
                rows, state = model.predict(np.array([[token]]), state)
                total -= rows[0, 0, following]
            nats.append(total)
        better.append(0.5 if math.isclose(*nats, rel_tol=1e-6) else float(nats[0] < nats[1]))
    assert shuffle_preference(model, ids) == pytest.approx(np.mean(better), abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_models_without_word_order_score_a_half_and_others_more(model_and_ids, kind):
    # Of subwords, another order may be another number of tokens.
    if kind in ("characters", "words"):
        assert shuffle_preference(*model_and_ids(kind, "uniform")) == 0.5
    if kind == "words":
        assert shuffle_preference(*model_and_ids(kind, "ngram", 1)) == 0.5
    assert shuffle_preference(*model_and_ids(kind)) > 0.8


def test_too_few_sentences_have_no_result():
    tokenizer = Characters(["<unk>", *"helo"])
    assert shuffle_preference(UniformModel({}, tokenizer), tokenizer.encode("hello")) is None
