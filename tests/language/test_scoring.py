"""Scores of sentences: each token's surprise given all before it, from a fresh start."""

from itertools import pairwise
from math import log

import numpy as np
import pytest

from anamnesis.errors import AnamnesisError
from anamnesis.language import saved
from anamnesis.language.scoring import bits, score
from anamnesis.tokens.characters import Characters


def step_by_step(model, ids):
    """-ln p of ids[1:], one token at a time."""
    state, result = model.initial_state(), []
    for token, following in pairwise(ids):
        rows, state = model.predict(np.array([[token]]), state)
        result.append(-rows[0, 0, following])
    return result


def test_words_score_every_word_and_the_end(trained):
    model = saved.load(trained("words"))
    (found,) = score(model, ["The function is called zyx."])
    assert found.tokens == ["The", "function", "is", "called", "<unk>", ".", "</s>"]
    assert found.unknown_tokens == 1
    ids = model.tokenizer.encode_sentence("The function is called zyx.")
    assert found.surprisals == pytest.approx(step_by_step(model, ids), rel=1e-12)
    assert found.log_probability == pytest.approx(-sum(found.surprisals))
    assert found.perplexity == pytest.approx(np.exp(np.mean(found.surprisals)))


def test_characters_start_after_a_line_end(trained):
    model = saved.load(trained("characters"))
    (found,) = score(model, ["The call"])
    assert found.tokens == list("The call")
    assert found.surprisals == pytest.approx(step_by_step(model, model.tokenizer.encode("\nThe call")), rel=1e-12)


def test_without_line_ends_the_first_token_is_given():
    from anamnesis.language.uniform import UniformModel

    model = UniformModel({}, Characters(["<unk>", *"abc"]))
    (found,) = score(model, ["abca"])
    assert found.tokens == ["b", "c", "a"]
    assert found.perplexity == pytest.approx(4)
    with pytest.raises(AnamnesisError, match="nothing to predict"):
        score(model, ["a"])


def test_sentences_do_not_know_of_each_other(trained):
    model = saved.load(trained("characters"))
    one, two = "The call returns.", "A class is made."
    assert score(model, [one, two]) == [score(model, [one])[0], score(model, [two])[0]]


def test_likelier_sentences_score_better(trained):
    good, bad = score(saved.load(trained("characters")), ["The function is called.", "Zqxf jkq vwx zzqk pfff."])
    assert good.perplexity < bad.perplexity


@pytest.mark.parametrize("sentence", ["", "   ", "\n"])
@pytest.mark.parametrize("kind", ["words", "characters"])
def test_nothing_to_score_is_refused(trained, kind, sentence):
    with pytest.raises(AnamnesisError, match="sentence 2"):
        score(saved.load(trained(kind)), ["The end.", sentence])


def test_bits():
    assert bits(log(8)) == pytest.approx(3)
