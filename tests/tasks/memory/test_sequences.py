"""The copy task and the adding problem: their sequences, answers, and independent splits."""

import numpy as np
import pytest
import torch

from anamnesis.tasks.memory.model.sequences import PROBES, SPLITS, Sequences, adding, copy


def test_copy_shows_symbols_then_blanks_then_the_cue():
    inputs, answers = copy(np.random.default_rng(1), 40, lag=5, symbols=3, alphabet=4)
    assert inputs.shape == (11, 40)
    assert answers.shape == (3, 40)
    for shown, asked in zip(inputs.T.tolist(), answers.T.tolist(), strict=True):
        assert shown == [symbol + 2 for symbol in asked] + [0] * 5 + [1, 0, 0]
    assert set(answers.flatten().tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("lag", [2, 5, 40])
def test_adding_marks_one_number_in_each_half(lag: int):
    inputs, answers = adding(np.random.default_rng(1), 100_000, lag)
    assert inputs.shape == (lag, 100_000, 2)
    numbers, marks = inputs.unbind(-1)
    assert ((marks == 0) | (marks == 1)).all()
    assert (marks[: lag // 2].sum(0) == 1).all()
    assert (marks[lag // 2 :].sum(0) == 1).all()
    assert ((numbers >= 0) & (numbers < 1)).all()
    torch.testing.assert_close(answers[0], (numbers * marks).sum(0))
    # The mean squared error of the constant answer 1 is the variance of the sum of two uniform numbers.
    assert (answers - 1).square().mean().item() == pytest.approx(1 / 6, abs=0.003)


@pytest.mark.parametrize("probe", PROBES)
def test_sequences_depend_on_seed_lag_and_split(probe):
    def first(seed: int, lag: int, split: str) -> torch.Tensor:
        return Sequences(probe, lag, 4, 8, seed, split).draw(100)[1]

    assert torch.equal(first(1, 10, "train"), first(1, 10, "train"))
    others = [first(1, 10, split) for split in SPLITS] + [first(2, 10, "train"), first(1, 20, "train")]
    for index, one in enumerate(others):
        assert not any(torch.equal(one, other) for other in others[index + 1 :])
