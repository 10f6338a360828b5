"""Scores of a split, whatever the chunks, and of sentences: the surprise of each token and word."""

import tracemalloc
from fractions import Fraction
from itertools import pairwise
from math import exp, fsum, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anamnesis.data.tokenizers import words
from anamnesis.data.tokenizers.characters import Characters
from anamnesis.data.tokenizers.words import Words
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.model import ngram
from anamnesis.tasks.language.model.language_model import LanguageModel
from anamnesis.tasks.language.model.scores import exact_sum, score_split
from anamnesis.tasks.language.model.text import Split, read_split
from anamnesis.tasks.language.model.uniform import UniformModel
from anamnesis.tasks.language.scoring import score

KINDS = ["characters", "bigrams", "words", "subwords"]


class Dense(LanguageModel):
    """A model that scores targets by whole distributions in single precision, as a network does."""

    def __init__(self, model: LanguageModel) -> None:
        self.card, self.tokenizer, self.model = model.card, model.tokenizer, model

    def initial_state(self, batch: int = 1) -> Any:
        return self.model.initial_state(batch)

    def predict(self, ids: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        rows, state = self.model.predict(ids, state)
        return rows.astype(np.float32), state


def by_hand(model: LanguageModel, split: Split) -> dict[str, float]:
    """The metrics by their definitions, one token at a time."""
    state = model.initial_state()
    nats, first, five = [], [], []
    for token, following in zip(split.ids[:-1].tolist(), split.ids[1:].tolist(), strict=True):
        rows, state = model.predict(np.array([[token]]), state)
        if following == model.tokenizer.start_id:
            continue
        row = rows[0, 0]
        nats.append(-row[following])
        better, ties = int((row > row[following]).sum()), int((row == row[following]).sum())
        first.append(min(max(1 - better, 0), ties) / ties)
        five.append(min(max(5 - better, 0), ties) / ties)
    counts = split.counts
    # The length of unknown characters and bigrams is known; words have an end, and lose spaces.
    symbols = counts["unknown_characters"] + (counts["unknown_tokens"] if "leftover_nats" in counts else 0)
    spelled = sum(nats) + symbols * log(split.alphabet + 2) + counts.get("leftover_nats", 0)
    spelled += counts["unseen_characters"] * log(0x110000)
    return {
        "perplexity": exp(np.mean(nats)),
        "bits_per_character": spelled / log(2) / counts["characters"],
        "accuracy": float(np.mean(first)),
        "top5_accuracy": float(np.mean(five)),
        "targets": counts["targets"],
    }


def metrics(model: LanguageModel, split: Split, chunk: int | None = None) -> dict[str, float]:
    scores = score_split(model, split, chunk=chunk)
    return {
        "perplexity": scores.perplexity,
        "bits_per_character": split.bits_per_character(scores.nats),
        "accuracy": scores.accuracy,
        "top5_accuracy": scores.top5_accuracy,
        "targets": scores.targets,
    }


def toy_split(ids: list[int], alphabet: int = 2, **counts: Any) -> Split:
    return Split(
        Path("toy.npy"), np.array(ids, np.uint8), {"characters": 1, "unknown_characters": 0, **counts}, alphabet
    )


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_the_definitions(stores, baseline, kind):
    model = baseline(kind)
    split = read_split(stores / "data" / "tokens" / kind, "test", model.tokenizer)
    assert metrics(model, split) == pytest.approx(by_hand(model, split), rel=1e-9)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("kind", ["characters", "words"])
def test_every_chunk_size_gives_the_same_scores(stores, baseline, kind, dense):
    model = baseline(kind, order=5)
    whole = read_split(stores / "data" / "tokens" / kind, "valid", model.tokenizer)
    split = Split(whole.path, whole.ids[:600], whole.counts, whole.alphabet)
    model = Dense(model) if dense else model
    expected = metrics(model, split)
    assert all(metrics(model, split, chunk) == expected for chunk in (1, 7, 100, 598, 599, 10**9))
    steps: list[int] = []
    score_split(model, split, steps.append, chunk=10)
    assert sum(steps) == split.predictions == 599


def test_sentence_starts_are_no_targets_and_unknown_words_are_spelled():
    # <s> a </s> <s> <unk> </s> with an alphabet of 6: 4 targets of 2 bits, 3 unknown letters and their end of 3 bits,
    # and 7 bits of spaces.
    model = UniformModel({}, Words(["<unk>", "<s>", "</s>", "a", "b"]))
    counts = {"characters": 5, "unknown_characters": 3, "unknown_tokens": 1, "leftover_nats": 7 * log(2)}
    result = metrics(model, toy_split([1, 3, 2, 1, 0, 2], alphabet=6, **counts))
    assert (result["targets"], result["perplexity"]) == (4, pytest.approx(4))
    assert result["bits_per_character"] == pytest.approx((4 * 2 + 4 * 3 + 7) / 5)


def test_a_split_without_targets_is_refused():
    words = Words(["<unk>", "<s>", "</s>", "a"])
    for ids, vocabulary in (([2], words), ([1, 1, 1], words), ([3], Characters(["<unk>", "a", "b", "c"]))):
        with pytest.raises(AnamnesisError, match=r"toy\.npy: found . tokens, none of which is to be predicted"):
            score_split(UniformModel({}, vocabulary), toy_split(ids))


def test_a_target_without_probability_is_refused():
    class Certain(Dense):
        def predict(self, ids: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
            rows = np.full((*ids.shape, 3), -np.inf)
            rows[..., 1] = 0
            return rows, state

    model = Certain(UniformModel({}, Characters(["<unk>", "a", "b"])))
    assert score_split(model, toy_split([2, 1, 1])).perplexity == 1
    with pytest.raises(AnamnesisError, match="a probability of 0"):
        score_split(model, toy_split([1, 2, 1]))


def test_a_sum_in_chunks_is_the_exact_sum_rounded_once():
    random = np.random.default_rng(3)
    for _ in range(200):
        values = random.standard_normal(50) * 10.0 ** random.integers(-20, 20, 50)
        parts: list[float] = []
        for chunk in np.split(values, np.sort(random.integers(0, 50, 4))):
            parts = exact_sum(parts, chunk)
        assert fsum(parts) == float(sum(map(Fraction, values.tolist())))
        assert len(parts) < 10
    assert exact_sum(exact_sum([1.0], np.array([-np.inf])), np.array([2.0])) == [-np.inf]


def test_scoring_and_counting_take_memory_for_a_chunk_and_not_for_the_text():
    """Beside the text, counting takes 4 bytes for each token, and scoring none."""
    random = np.random.default_rng(0)
    vocabulary, peaks = Characters(["<unk>", *"abc"]), []
    for size in (200_000, 800_000):
        ids = random.integers(0, 4, size).astype(np.uint8)
        tracemalloc.start()
        weights = ngram.count(ids, 5, 4, None, block=2**14)
        counting = tracemalloc.get_traced_memory()[1]
        model = ngram.NGramModel({}, weights, vocabulary, 5)
        tracemalloc.reset_peak()
        score_split(model, Split(Path("toy.npy"), ids, {}, 4))
        peaks.append((counting, tracemalloc.get_traced_memory()[1]))
        tracemalloc.stop()
    assert peaks[1][0] - peaks[0][0] < 5 * 600_000
    assert peaks[1][1] - peaks[0][1] < 1_000_000


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
