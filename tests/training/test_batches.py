"""Batches: every example once an epoch, in a new order each, and on where they were left."""

import pytest
import torch

from anamnesis.training.batches import Batches


def rows_of(batches: Batches) -> list[list[int]]:
    return [rows.tolist() for rows in batches]


def make(seed: int | None, examples: int = 10) -> Batches:
    return Batches(lambda rows: rows, examples, 4, seed)


def test_every_example_once_an_epoch_in_a_new_order():
    batches = make(1)
    epochs = [rows_of(batches) for _ in range(3)]
    assert len(batches) == 3
    for epoch in epochs:
        assert [len(rows) for rows in epoch] == [4, 4, 2]
        assert sorted(row for rows in epoch for row in rows) == list(range(10))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert rows_of(make(1)) == epochs[0] != rows_of(make(2))


def test_without_a_seed_examples_come_as_they_are():
    batches = make(None)
    assert rows_of(batches) == rows_of(batches) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize("read", range(1, 6))
def test_it_goes_on_where_it_was(read):
    whole = make(7)
    expected = rows_of(whole) + rows_of(whole) + rows_of(whole)
    interrupted = make(7)
    done = []
    while len(done) < read:
        for rows in interrupted:
            done.append(rows.tolist())
            if len(done) == read:
                break
    resumed = make(7)
    resumed.load_state_dict(interrupted.state_dict())
    while len(done) < len(expected):
        done += rows_of(resumed)
    assert done == expected


def test_what_picks_is_given_numbers_of_examples():
    values = torch.arange(5.0) ** 2
    (first, second) = Batches(lambda rows: values[rows], 5, 3, None)
    assert first.tolist() == [0, 1, 4]
    assert second.tolist() == [9, 16]
