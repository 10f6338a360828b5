"""Batches, plain and prefetched: every example once an epoch in a new order, and exact positions to resume from."""

import threading
from typing import Any

import pytest
import torch

from anamnesis.training.batches import Batches
from anamnesis.training.prefetch import Prefetched


def lists(batches: Any) -> list[list[int]]:
    return [rows.tolist() for rows in batches]


def new(seed: int | None = 1) -> Batches[Any]:
    return Batches(lambda rows: rows, 10, 4, seed)


LOADERS = {"plain": new, "prefetched": lambda: Prefetched(new(), pin=False)}


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
def test_every_example_once_an_epoch_in_a_new_order(loader):
    batches = loader()
    epochs = [lists(batches) for _ in range(3)]
    assert len(batches) == 3
    for epoch in epochs:
        assert [len(rows) for rows in epoch] == [4, 4, 2]
        assert sorted(row for rows in epoch for row in rows) == list(range(10))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert lists(new()) == epochs[0] != lists(new(2))
    assert lists(new(None)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize("count", range(1, 6))
@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
def test_a_restored_loader_continues_after_the_last_batch(loader, count):
    whole, interrupted, resumed = loader(), loader(), loader()
    expected = [*lists(whole), *lists(whole), *lists(whole)]
    done: list[list[int]] = []
    while len(done) < count:
        for rows in interrupted:
            done.append(rows.tolist())
            state = interrupted.state_dict()
            if len(done) == count:
                break
    resumed.load_state_dict(state)
    while len(done) < len(expected):
        done += lists(resumed)
    assert done == expected


def test_the_next_batch_is_made_while_one_is_used():
    events = [threading.Event() for _ in range(3)]

    def pick(rows: torch.Tensor) -> torch.Tensor:
        events[int(rows[0]) // 4].set()
        return rows

    batches = iter(Prefetched(Batches(pick, 10, 4, None), pin=False))
    next(batches)
    assert events[1].wait(10)
    assert not events[2].is_set()


def test_an_error_in_the_other_thread_is_raised():
    def pick(rows: torch.Tensor) -> torch.Tensor:
        if rows[0] >= 4:
            raise ValueError("damaged")
        return rows

    batches = iter(Prefetched(Batches(pick, 10, 4, None), pin=False))
    next(batches)
    with pytest.raises(ValueError, match="damaged"):
        next(batches)
