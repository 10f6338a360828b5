"""Errors of word numbers by their definitions, decoding, and the texts shown."""

import numpy as np
import pytest

from anamnesis.data.tokenizers.words import Words
from anamnesis.tasks.numbers.evaluation import samples, scores
from anamnesis.tasks.numbers.network import ConnectedModel, MeanModel, decoded, new_network, written
from anamnesis.tasks.numbers.numbering import targets
from anamnesis.tasks.numbers.settings import Connected

TOKENIZER = Words(["<unk>", "<s>", "</s>", "the", "cat", "a", "dog"])
WORDS = np.array([5, 4, 3, 6])  # a, cat, the, dog


class Last:
    """What comes next is the last number and a bit."""

    def __init__(self, more):
        self.card, self.tokenizer, self.words, self.more = {}, TOKENIZER, WORDS, more

    def predict(self, windows):
        return windows[:, -1] + self.more


def test_scores_are_those_of_the_definitions():
    # 0 is a word without a number. Before the first 1 and 2, and after 0, no whole window stands: there it is the mean.
    row = np.array([1, 2, 3, 3, 0, 1, 2])
    assert scores(Last(0.4), targets(row, 2), mean=2.5) == {
        "rmse": pytest.approx(np.sqrt((1.5**2 + 0.5**2 + 0.6**2 + 0.4**2 + 1.5**2 + 0.5**2) / 6), rel=1e-5),
        "mae": pytest.approx((1.5 + 0.5 + 0.6 + 0.4 + 1.5 + 0.5) / 6, rel=1e-5),
        # 3.4 is 3 for the second 3; the mean, 2.5, is 2 for both 2s.
        "accuracy": pytest.approx(3 / 6),
        "mean_rmse": pytest.approx(np.sqrt((1.5**2 + 0.5**2 + 0.5**2 + 0.5**2 + 1.5**2 + 0.5**2) / 6), rel=1e-5),
        "repeat_rmse": pytest.approx(np.sqrt((1.5**2 + 1 + 1 + 0 + 1.5**2 + 1) / 6), rel=1e-5),
        "targets": 6,
        "whole_windows": 2,
    }


@pytest.mark.parametrize("model", [MeanModel({}, TOKENIZER, WORDS, 2.4), Last(0.4)], ids=["mean", "last"])
def test_the_same_predictor_scores_the_same_with_every_window(model):
    row = np.random.default_rng(5).integers(0, 5, 400)
    found = {window: scores(model, targets(row, window), mean=2.4) for window in (1, 2, 8)}
    if isinstance(model, MeanModel):
        assert len({each["rmse"] for each in found.values()}) == 1
    assert {each["targets"] for each in found.values()} == {np.count_nonzero(row)}
    # By brute force, word by word.
    for window, each in found.items():
        errors = []
        for place, number in enumerate(row.tolist()):
            before = row[max(place - window, 0) : place].tolist()
            said = model.predict(np.array([before]))[0] if len(before) == window and 0 not in before else 2.4
            errors += [] if number == 0 else [said - number]
        assert each["rmse"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-5)


def test_a_prediction_means_the_nearest_number_there_is():
    assert decoded(Last(0), np.array([-3.0, 0.2, 1.4, 3.6, 99.0])).tolist() == [1, 1, 1, 4, 4]


def test_the_network_is_the_published_formula():
    network = new_network(Connected(architecture="fc", window=3, hidden=5))
    w, b, u, c = (value.detach().numpy().astype(np.float64) for value in network.parameters())
    windows = np.array([[1, 2, 3], [4, 4, 4], [2, 1, 4]])
    hidden = (windows / 4) @ w.T + b
    expected = (np.where(hidden > 0, hidden, 0.1 * hidden) @ u.T + c)[:, 0] * 4
    found = ConnectedModel({}, TOKENIZER, WORDS, network).predict(windows)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_what_is_written_is_read_again():
    assert written(Last(0.6), np.array([1, 1]), 5).tolist() == [2, 3, 4, 4, 4]
    assert written(MeanModel({}, TOKENIZER, WORDS, 2.4), np.array([1, 1]), 2).tolist() == [2, 2]


def test_samples_show_the_truth_beside_both_ways_of_reading():
    # The first run of windows is broken by an unseen word after two; the second is long enough.
    windows = np.array([[1, 2, 3], [2, 3, 4], [4, 1, 1], [1, 1, 2], [1, 2, 2]])
    found = samples(Last(1), windows, 3)
    assert [sample["prompt"] for sample in found] == ["dog a "] * 3
    assert [sample["text"] for sample in found] == ["a cat cat", "cat cat the", "cat the dog"]
