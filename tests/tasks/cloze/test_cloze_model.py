"""The blank of a text, its guesses, and the scores of blanks by their definitions."""

import numpy as np
import pytest

from anamnesis.data.tokenizers.characters import Characters
from anamnesis.data.tokenizers.words import Words
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.cloze.model.blanks import find_candidates, split_sentences
from anamnesis.tasks.cloze.model.cloze_model import ClozeModel, examples, scores, unigram
from anamnesis.tasks.cloze.prediction import fill, parse

TOKENIZER = Words(["<unk>", "<s>", "</s>", ",", "the", "cat", ".", "I", "saw", "a", "Word", "dog", "Mr", "it", '"'])
COUNTS = np.array([0, 0, 0, 0, 6, 3, 0, 2, 2, 1, 1, 1, 0, 0, 0])
CANDIDATES = find_candidates(TOKENIZER)
UNIGRAM = ClozeModel({}, TOKENIZER, CANDIDATES, unigram(COUNTS))


def copy_neighbours(sentence, places):
    """1/2 for the word before the blank and 1/4 for the word after it, the rest for all words alike."""
    result = np.tile(CANDIDATES / CANDIDATES.sum() / 4, (len(places), 1))
    result[np.arange(len(places)), sentence[places - 1]] += 0.5
    result[np.arange(len(places)), sentence[places + 1]] += 0.25
    with np.errstate(divide="ignore"):
        return np.log(result)


COPYING = ClozeModel({}, TOKENIZER, CANDIDATES, copy_neighbours)


@pytest.mark.parametrize(
    ("text", "around"),
    [
        ("I saw ____ cat.", ["I", "saw", "?", "cat", "."]),
        ("I saw a _____", ["I", "saw", "a", "?"]),
        ("I saw Mr. ____, the dog.", ["I", "saw", "Mr", ".", "?", ",", "the", "dog", "."]),
        ("A zebra. I saw the ____. The dog saw", ["I", "saw", "the", "?", "."]),
        ("I saw the cat. ____ saw the dog.", ["?", "saw", "the", "dog", "."]),
        ("I saw a zebra, a ____", ["I", "saw", "a", "<unk>", ",", "a", "?"]),
        ("a-____-- cat", ["a", "<unk>", "?", "<unk>", "cat"]),
        ("Word Word ____ Word", ["Word", "Word", "?", "Word"]),
        ("____", ["?"]),
    ],
)
def test_the_blank_and_its_sentence_are_found(text, around):
    ids, place = parse(TOKENIZER, text)
    found = [TOKENIZER.tokens[token] for token in ids]
    assert found[place] == "<unk>"
    found[place] = "?"
    assert found == ["<s>", *around, "</s>"]


def test_a_text_without_exactly_one_blank_is_refused():
    for text, message in ((" \n", "found an empty one"), ("I saw _ cat", "found 0 blanks"), ("I __ a __", "found 2")):
        with pytest.raises(AnamnesisError, match=message):
            fill(COPYING, text)


def test_guesses_come_in_order_with_their_probabilities():
    found = fill(COPYING, "the cat ____ dog saw", top=3)
    assert found[:2] == [("cat", pytest.approx(0.5 + 0.25 / 9)), ("dog", pytest.approx(0.25 + 0.25 / 9))]
    assert len(found) == 3
    everything = fill(UNIGRAM, "the ____", top=8)
    assert [word for word, _ in everything] == ["the", "cat", "I", "saw", "a", "Word", "dog", "Mr"]
    with pytest.raises(AnamnesisError, match="top: found 11; allowed: 1 to"):
        fill(COPYING, "the ____", 11)


def test_blanks_are_known_words():
    text = np.array([1, 7, 8, 0, 3, 6, 2, 1, 4, 2], np.uint8)
    assert [TOKENIZER.tokens[token] for token in np.flatnonzero(CANDIDATES)][:4] == ["the", "cat", "I", "saw"]
    assert [part.tolist() for part in split_sentences(text, TOKENIZER)] == [[1, 7, 8, 0, 3, 6, 2], [1, 4, 2]]
    assert scores(COPYING, split_sentences(text, TOKENIZER))["blanks"] == 3
    with pytest.raises(AnamnesisError, match="found kind characters; allowed: words"):
        find_candidates(Characters(["<unk>", "a"]))
    with pytest.raises(AnamnesisError, match="none of which has a known word"):
        scores(COPYING, [np.array([1, 0, 6, 2])])


def test_scores_of_frequencies_are_their_closed_form():
    text = [np.array([1, 4, 5, 3, 4, 9, 2]), np.array([1, 7, 5, 0, 2])]
    p = COUNTS / COUNTS.sum()
    words = [4, 5, 4, 9, 7, 5]
    # Two words of 16 tie for the third place, three for the fifth: of these one in three is among the five.
    assert scores(UNIGRAM, text) == {
        "perplexity": pytest.approx(np.exp(-np.log(p[words]).mean()), rel=1e-5),
        "accuracy": pytest.approx(2 / 6, rel=1e-5),
        "top5_accuracy": pytest.approx((5 + 1 / 3) / 6, rel=1e-5),
        "blanks": 6,
        "unknown_blanks": 0,
    }
    with pytest.raises(AnamnesisError, match="no probability"):
        scores(UNIGRAM, [np.array([1, 12, 2])])


def test_the_examples_do_not_depend_on_the_model():
    text = [np.array([1, 7, 8, 9, 5, 3, 4, 11, 5, 4, 4, 6, 2]) for _ in range(5)] + [np.array([1, 5, 2])] * 9
    first, second = (examples(model, text, 3) for model in (COPYING, UNIGRAM))
    assert [(each.text, each.word) for each in first] == [(each.text, each.word) for each in second]
    assert len(first) == 3
    for each in first:
        assert each.text.replace("____", each.word) == "I saw a cat, the dog cat the the."
        # The parsed text is the evaluated sentence.
        ids, place = parse(TOKENIZER, each.text)
        assert np.array_equal(np.delete(ids, place), np.delete(text[0], place))
        assert each.guesses == COPYING.guesses(copy_neighbours(text[0], np.array([place]))[0], 5)
