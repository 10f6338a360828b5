"""Scores of sentences: each token's surprise given all before it, from a fresh start."""

from itertools import pairwise
from math import log

import numpy as np
import pytest

from anamnesis.data.tokenizers import words
from anamnesis.data.tokenizers.characters import Characters
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language import saved
from anamnesis.tasks.language.evaluation import evaluate_split
from anamnesis.tasks.language.scoring import bits, score
from anamnesis.tasks.language.uniform import UniformModel


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
    expected = step_by_step(model, model.tokenizer.encode_sentence("The function is called zyx."))
    # Three letters and the end of the word, each one of the alphabet, an end, and what no training text holds.
    expected[4] += 4 * log(model.card["alphabet"] + 2)
    assert found.surprisals == pytest.approx(expected, rel=1e-12)
    assert found.log_probability == pytest.approx(-sum(found.surprisals))
    assert found.perplexity == pytest.approx(np.exp(np.mean(found.surprisals)))


def test_characters_start_after_a_line_end(trained):
    model = saved.load(trained("characters"))
    (found,) = score(model, ["The call"])
    assert found.tokens == list("The call")
    assert found.surprisals == pytest.approx(step_by_step(model, model.tokenizer.encode("\nThe call")), rel=1e-12)


def test_without_line_ends_the_first_token_is_given():
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


@pytest.mark.parametrize("kind", ["characters", "words", "bigrams"])
def test_an_unknown_token_costs_what_it_costs_in_bits_per_character(trained, stores, kind):
    model = saved.load(trained(kind, order=1))
    assert model.card["alphabet"] == len(set((stores / "train.txt").read_text(encoding="utf-8")))
    sentences = ["The zyxwv is called.", "漢字 qqzz function", "It is a class."]
    for sentence, found in zip(sentences, score(model, sentences), strict=True):
        chunks = list(model.tokenizer.chunks([sentence]))
        split = {"unknown_characters": sum(chunk.unknown_characters for chunk in chunks), "characters": 1}
        if kind == "words":
            split |= {"unknown_tokens": found.unknown_tokens, "leftover_nats": 0.0}
        # An order of 1 foresees every token alike, whatever stands before it.
        ids = model.tokenizer.encode_sentence(sentence)
        first = ids if kind == "words" else np.concatenate([model.tokenizer.encode("\n"), ids])
        metrics = evaluate_split(model, first, split, model.card["alphabet"]).metrics
        assert bits(-found.log_probability) == pytest.approx(metrics["bits_per_character"], rel=1e-5)


@pytest.mark.parametrize(
    ("language", "text", "known", "unknown"),
    [
        ("en", "The class is here. " * 20, "The class is here.", "Florbz was quux."),
        ("zh", "天下大事。" * 20, "天下大事。", "引操引操。"),
    ],
)
def test_words_that_no_text_holds_are_less_likely_than_words_that_it_holds(language, text, known, unknown):
    model = UniformModel({}, words.learn([text], language=language))
    for found in score(model, [known, unknown]):
        assert [word for word, _ in found.words][-1] == "</s>"
    known_score, unknown_score = score(model, [known, unknown])
    assert unknown_score.unknown_tokens > 0
    assert unknown_score.perplexity > 2 * known_score.perplexity


def test_a_store_that_deletes_marks_scores_the_words_that_it_reads():
    model = UniformModel({}, words.learn(["It's a class, the class."], delete="',."))
    (found,) = score(model, ["It's, the 'class' zyx."])
    assert [word for word, _ in found.words] == ["Its", "the", "class", "zyx", "</s>"]
    assert [surprise for _, surprise in found.words] == found.surprisals


def test_bits():
    assert bits(log(8)) == pytest.approx(3)


@pytest.mark.parametrize("kind", ["characters", "bigrams", "words", "subwords"])
def test_words_share_out_all_of_the_surprise(trained, kind):
    model = saved.load(trained(kind))
    for found in score(model, ["The function is called.", "  It € returns   the\tclass ", "zyx ﬀ 漢"]):
        assert sum(surprise for _, surprise in found.words) == pytest.approx(-found.log_probability)


def test_tokens_of_one_or_two_characters_go_to_the_word_they_spell(trained):
    (found,) = score(saved.load(trained("characters")), ["The call is"])
    assert [word for word, _ in found.words] == ["The", "call", "is"]
    ends = np.cumsum([0, 4, 5, 2])
    for (_, surprise), first, last in zip(found.words, ends[:-1], ends[1:], strict=True):
        assert surprise == pytest.approx(sum(found.surprisals[first:last]))
    # "Th", "e ", "ca", "ll", " i", "s": the space before `is` comes with its letter.
    (found,) = score(saved.load(trained("bigrams")), ["The call is"])
    parts = dict(found.words)
    assert found.tokens[-6:] == ["Th", "e ", "ca", "ll", " i", "s"]
    assert parts["call"] == pytest.approx(sum(found.surprisals[-4:-2]))
    assert parts["is"] == pytest.approx(sum(found.surprisals[-2:]))


def test_word_models_name_the_word_they_do_not_know(trained):
    (found,) = score(saved.load(trained("words")), ["The zyx is called."])
    assert [word for word, _ in found.words] == ["The", "zyx", "is", "called", ".", "</s>"]
    assert [surprise for _, surprise in found.words] == found.surprisals


def test_a_word_that_is_only_given_has_no_surprise():
    model = UniformModel({}, Characters(["<unk>", *"abc "]))
    (found,) = score(model, ["a bc"])
    # Only the space after the first letter is predicted of the first word.
    assert found.words == [("a", pytest.approx(log(5))), ("bc", pytest.approx(2 * log(5)))]
