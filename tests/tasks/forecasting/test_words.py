"""Word numbers: numbering, targets, scores and samples by hand and by brute force, and training on them."""

import json

import numpy as np
import pytest
import toys as toy

from anamnesis.data.tokenizers.characters import Characters
from anamnesis.data.tokenizers.words import Words as WordTokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting.evaluation.words import longest_run, samples, word_scores
from anamnesis.tasks.forecasting.model import forecaster
from anamnesis.tasks.forecasting.model.forecaster import Forecaster, free_running
from anamnesis.tasks.forecasting.model.numbering import Words, number_words
from anamnesis.tasks.forecasting.model.words import word_targets
from anamnesis.tasks.forecasting.prediction import answer

TOKENIZER = WordTokenizer(["<unk>", "<s>", "</s>", "the", ",", "cat", "a", "--", "dog", "."])
# "A cat, the cat. The dog." in lower case
TRAIN = np.array([1, 6, 5, 4, 3, 5, 9, 2, 1, 3, 8, 9, 2], np.uint8)
WORDS = Words(TOKENIZER, np.array([6, 5, 3, 8]))  # a, cat, the, dog


def last_plus(more, window=2):
    """The next number is the last one and `more`."""
    return Forecaster({}, window, lambda values: values[:, -1] + more, words=WORDS)


def test_words_are_numbered_in_the_order_of_appearance():
    words = number_words(TRAIN, TOKENIZER)
    assert words.ids.tolist() == WORDS.ids.tolist()
    assert words.numbers(TRAIN).tolist() == [1, 2, 3, 2, 3, 4]
    # An unknown word has the number 0; marks and sentence ends leave no gap.
    assert words.numbers(np.array([1, 8, 7, 0, 2, 1, 6])).tolist() == [4, 0, 1]
    assert words.spell(np.array([3, 4])) == "the dog"
    assert words.nearest(np.array([-3.0, 0.2, 1.4, 3.6, 99.0])).tolist() == [1, 1, 1, 4, 4]
    with pytest.raises(AnamnesisError, match="found kind characters; allowed: words"):
        number_words(np.array([1, 2]), Characters(["<unk>", "a", "b"]))
    with pytest.raises(AnamnesisError, match="no word to number"):
        number_words(np.array([1, 9, 2]), TOKENIZER)


def test_no_example_holds_an_unseen_word():
    windows, targets = word_targets(np.array([1, 2, 3, 0, 4, 5, 6, 7]), 2).examples()
    assert np.column_stack([windows, targets]).tolist() == [[1, 2, 3], [4, 5, 6], [5, 6, 7]]
    with pytest.raises(AnamnesisError, match="found 2, but no 3 known words"):
        word_targets(np.array([1, 2, 0, 3, 4]), 2).examples()


def test_scores_by_hand():
    # 0 is a word without a number. The window before 1, 2 and after 0 is not whole: there the forecast is the mean.
    row = np.array([1, 2, 3, 3, 0, 1, 2])
    baseline = np.array([1.5, 1, 1, 0, 1.5, 1])
    assert word_scores(last_plus(0.4), WORDS, word_targets(row, 2), mean=2.5) == {
        "rmse": pytest.approx(np.sqrt((1.5**2 + 0.5**2 + 0.6**2 + 0.4**2 + 1.5**2 + 0.5**2) / 6), rel=1e-5),
        "mae": pytest.approx((1.5 + 0.5 + 0.6 + 0.4 + 1.5 + 0.5) / 6, rel=1e-5),
        "skill": pytest.approx(1 - (1.5**2 * 2 + 0.5**2 * 2 + 0.6**2 + 0.4**2) / np.square(baseline).sum(), rel=1e-5),
        # 3.4 is nearest to 3 for the second 3; the mean, 2.5, to 2 for both 2s.
        "accuracy": pytest.approx(3 / 6),
        "mean_rmse": pytest.approx(np.sqrt((1.5**2 + 0.5**2 + 0.5**2 + 0.5**2 + 1.5**2 + 0.5**2) / 6), rel=1e-5),
        "repeat_rmse": pytest.approx(np.sqrt(np.square(baseline).mean()), rel=1e-5),
        "targets": 6,
        "whole_windows": 2,
    }


def test_models_of_any_window_score_the_same_words():
    row = np.random.default_rng(5).integers(0, 5, 400)
    for window in (1, 2, 8):
        found = word_scores(last_plus(0.4, window), WORDS, word_targets(row, window), mean=2.4)
        errors = []
        for place, number in enumerate(row.tolist()):
            before = row[max(place - window, 0) : place].tolist()
            whole = len(before) == window and 0 not in before
            errors += [(before[-1] + 0.4 if whole else 2.4) - number] if number else []
        assert found["rmse"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-5)
        assert found["targets"] == np.count_nonzero(row)


def test_a_free_running_forecast_reads_the_nearest_words():
    assert free_running(last_plus(0.6), np.array([[1.0, 1.0]]), 5).tolist() == [[2, 3, 4, 4, 4]]
    mean = Forecaster({}, 2, forecaster.zero, 2.4, 4.0, WORDS)
    assert free_running(mean, np.array([[1.0, 1.0]]), 2).tolist() == [[2, 2]]


def test_samples_show_the_text_beside_both_forecasts():
    # An unseen word breaks the first run of windows after two; the second run is long enough.
    targets = word_targets(np.array([1, 2, 3, 4, 0, 4, 1, 1, 2, 2]), 2)
    found = samples(last_plus(1), WORDS, targets, 3)
    assert [sample["prompt"] for sample in found] == ["dog a "] * 3
    assert [sample["text"] for sample in found] == ["a cat cat", "cat cat the", "cat the dog"]
    assert longest_run(np.array([2, 5, 6, 9]), 3) == slice(1, 3)


def test_a_network_is_trained_evaluated_and_served(toys):
    model, metrics, predictions = toys.results("numbers-fc")
    assert metrics["parameters"] == 3 * 8 + 8 + 8 + 1
    # Training reports the same error, also of words without a whole window before them.
    best = min(float(row["valid_rmse"]) for row in toy.rows(toys.model("numbers-fc") / "history.csv"))
    assert metrics["valid"]["rmse"] == pytest.approx(best, rel=1e-4)
    assert metrics["valid"]["whole_windows"] < metrics["valid"]["targets"]
    written = json.loads((predictions / "samples.json").read_text())
    assert len(written[2]["text"].split()) == 5
    known = model.words.spell(np.array([1, 2, 3]))
    expected = free_running(model, np.array([[1, 2, 3]]), 4)[0]
    assert answer(model, [known, f"unheard {known}"], {"steps": 4}) == [model.words.spell(expected)] * 2
    with pytest.raises(AnamnesisError, match="text 1: found 0 known words; allowed: 3 or more"):
        answer(model, ["unheard"], {})


def test_the_mean_is_its_own_baseline(toys):
    _, metrics, _ = toys.results("numbers-mean")
    assert metrics["parameters"] == 1
    assert metrics["test"]["rmse"] == metrics["test"]["mean_rmse"]
