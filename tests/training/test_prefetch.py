"""Batches made one ahead: the same ones, and a position that knows only what was handed out."""

import threading
from typing import Any

import pytest
import torch

from anamnesis.training.batches import Batches
from anamnesis.training.prefetch import Prefetched


def make() -> Batches[Any]:
    return Batches(lambda rows: rows, 10, 3, 5)


def lists(loader: Any) -> list[list[int]]:
    return [rows.tolist() for rows in loader]


def test_the_same_batches_in_the_same_order():
    ahead, plain = Prefetched(make(), pin=False), make()
    assert len(ahead) == len(plain) == 4
    for _ in range(3):
        assert lists(ahead) == lists(plain)


@pytest.mark.parametrize("read", range(1, 9))
def test_it_goes_on_after_the_batch_that_was_handed_out(read):
    whole = make()
    expected = lists(whole) + lists(whole) + lists(whole)
    interrupted, done = Prefetched(make(), pin=False), []
    while len(done) < read:
        for rows in interrupted:
            done.append(rows.tolist())
            state = interrupted.state_dict()
            if len(done) == read:
                break
    resumed = Prefetched(make(), pin=False)
    resumed.load_state_dict(state)
    while len(done) < len(expected):
        done += lists(resumed)
    assert done == expected


def test_the_next_batch_is_made_while_one_is_used():
    made = [threading.Event() for _ in range(4)]

    def pick(rows: torch.Tensor) -> torch.Tensor:
        made[int(rows[0]) // 3].set()
        return rows

    batches = iter(Prefetched(Batches(pick, 10, 3, None), pin=False))
    next(batches)
    assert made[1].wait(10)
    assert not made[2].is_set()


def test_what_goes_wrong_in_the_other_thread_is_told():
    def pick(rows: torch.Tensor) -> torch.Tensor:
        if rows[0] >= 3:
            raise ValueError("damaged")
        return rows

    batches = iter(Prefetched(Batches(pick, 10, 3, None), pin=False))
    next(batches)
    with pytest.raises(ValueError, match="damaged"):
        next(batches)
