"""Scores of sentences: the surprise of each token, given all tokens before it, and of each word."""

from itertools import pairwise
from math import log

import numpy as np
import pytest

from anamnesis.data.tokenizers import words
from anamnesis.data.tokenizers.characters import Characters
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.model.uniform import UniformModel
from anamnesis.tasks.language.scoring import score


def step_by_step(model, ids):
    """-ln p of ids[1:], one token at a time."""
    state, result = model.initial_state(), []
    for token, following in pairwise(ids):
        rows, state = model.predict(np.array([[token]]), state)
        result.append(-rows[0, 0, following])
    return result


def test_words_score_every_word_and_the_end(baseline):
    model = baseline("words")
    (result,) = score(model, ["The function is called zyx."])
    assert result.tokens == ["The", "function", "is", "called", "<unk>", ".", "</s>"]
    assert result.unknown_tokens == 1
    expected = step_by_step(model, model.tokenizer.encode_sentence("The function is called zyx."))
    # Three letters and the end of the word, each one of the alphabet, an end, and what no training text holds.
    expected[4] += 4 * log(model.card["alphabet"] + 2)
    assert result.surprisals == pytest.approx(expected, rel=1e-12)
    assert result.log_probability == pytest.approx(-sum(result.surprisals))
    assert result.perplexity == pytest.approx(np.exp(np.mean(result.surprisals)))


def test_without_line_ends_the_first_token_is_given():
    model = UniformModel({"alphabet": 20}, Characters(["<unk>", *"abc"]))
    (result,) = score(model, ["abca"])
    assert result.tokens == ["b", "c", "a"]
    assert result.perplexity == pytest.approx(4)
    for nothing in ("a", "", " \n"):
        with pytest.raises(AnamnesisError, match=r"sentence 2: found .*, which has no token to predict"):
            score(model, ["abca", nothing])


@pytest.mark.parametrize("kind", ["characters", "bigrams"])
def test_characters_follow_a_line_end_and_an_unknown_token_pays_for_its_character(baseline, kind):
    model = baseline(kind)
    (result,) = score(model, ["It 漢 is"])
    ids = np.concatenate([model.tokenizer.encode("\n"), model.tokenizer.encode("It 漢 is")])
    expected = step_by_step(model, ids)
    unknown = [place for place, token in enumerate(ids[1:]) if token == model.tokenizer.unknown_id]
    for place in unknown:
        expected[place] += log(model.card["alphabet"] + 2)
    assert result.unknown_tokens == len(unknown) > 0
    assert result.surprisals == pytest.approx(expected, rel=1e-12)


def test_a_store_that_deletes_marks_scores_the_words_that_it_reads():
    model = UniformModel({"alphabet": 20}, words.learn(["It's a class, the class."], delete="',."))
    (result,) = score(model, ["It's, the 'class' zyx."])
    assert [word for word, _ in result.words] == ["Its", "the", "class", "zyx", "</s>"]
    assert [surprise for _, surprise in result.words] == result.surprisals


@pytest.mark.parametrize("kind", ["characters", "bigrams", "words", "subwords"])
def test_words_share_out_all_of_the_surprise(baseline, kind):
    model = baseline(kind)
    for result in score(model, ["The function is called.", "  It € returns   the\tclass ", "zyx ﬀ 漢"]):
        assert sum(surprise for _, surprise in result.words) == pytest.approx(-result.log_probability)


def test_tokens_of_one_or_two_characters_go_to_the_word_they_spell(baseline):
    (result,) = score(baseline("characters"), ["The call is"])
    assert [word for word, _ in result.words] == ["The", "call", "is"]
    ends = np.cumsum([0, 4, 5, 2])
    for (_, surprise), first, last in zip(result.words, ends[:-1], ends[1:], strict=True):
        assert surprise == pytest.approx(sum(result.surprisals[first:last]))
    # "Th", "e ", "ca", "ll", " i", "s": the space before `is` comes with its letter.
    (result,) = score(baseline("bigrams"), ["The call is"])
    parts = dict(result.words)
    assert result.tokens[-6:] == ["Th", "e ", "ca", "ll", " i", "s"]
    assert parts["call"] == pytest.approx(sum(result.surprisals[-4:-2]))
    assert parts["is"] == pytest.approx(sum(result.surprisals[-2:]))


def test_a_word_that_is_only_given_has_no_surprise():
    model = UniformModel({"alphabet": 20}, Characters(["<unk>", *"abc "]))
    (result,) = score(model, ["a bc"])
    # Only the space after the first letter is predicted of the first word.
    assert result.words == [("a", pytest.approx(log(5))), ("bc", pytest.approx(2 * log(5)))]
