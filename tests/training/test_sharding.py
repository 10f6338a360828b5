"""Loaders of several processes: each process has its part of every batch, and together they have each example once."""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.cloze.model.batches import SentenceBatches
from anamnesis.tasks.language.model.streams import IGNORED, StreamBatches, WindowBatches
from anamnesis.tasks.language.settings import Streams, Windows
from anamnesis.tasks.translation.model.batches import PairBatches
from anamnesis.training.batches import Batches, batch_starts

# Each token is its position in the text, so that a batch shows what was read.
TOKENS = np.arange(1000)
LENGTHS = np.random.default_rng(3).integers(3, 9, size=61)
SENTENCES = np.split(np.arange(LENGTHS.sum()), np.cumsum(LENGTHS)[:-1])
LONG = [*SENTENCES, np.arange(10_000, 10_040), np.arange(20_000, 20_080)]


def examples() -> Batches[Any]:
    return Batches(lambda rows: rows, 61, 12, 1)


def windows() -> WindowBatches:
    return WindowBatches(TOKENS, Windows(kind="windows", batch=7, length=20, step=16), None, 1)


def sentences() -> SentenceBatches:
    # The first and the last token of a sentence are never a blank.
    hidden = np.ones(LENGTHS.sum(), dtype=bool)
    for sentence in SENTENCES:
        hidden[[sentence[0], sentence[-1]]] = False
    return SentenceBatches(SENTENCES, hidden, 4, 1)


def pairs() -> PairBatches:
    return PairBatches(LONG, LONG, 0, 30, 1)


def flat(batches: Iterable[list[int]]) -> list[int]:
    return list(chain.from_iterable(batches))


# How to list a batch: the numbers of examples, or the tokens to predict.
LOADERS: dict[str, tuple[Callable[[], Any], Callable[[Any], list[int]]]] = {
    "examples": (examples, lambda batch: batch.tolist()),
    "windows": (windows, lambda batch: batch[1].flatten().tolist()),
    "sentences": (sentences, lambda batch: batch.ids[batch.times, batch.columns].tolist()),
    "pairs": (pairs, lambda batch: batch.targets.tolist()),
}


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
@pytest.mark.parametrize("name", LOADERS)
def test_nothing_is_dropped_or_repeated(name: str, ranks: int) -> None:
    make, listed = LOADERS[name]
    alone, shares = make(), [make() for _ in range(ranks)]
    for rank, share in enumerate(shares):
        share.shard(rank, ranks)
    assert len({len(share) for share in shares}) == 1
    for _ in range(2):
        whole = [listed(batch) for batch in alone]
        parts = [[listed(batch) for batch in share] for share in shares]
        assert {len(part) for part in parts} == {len(shares[0])}
        assert all(batch for part in parts for batch in part), "a process has no part"
        assert sorted(flat(whole)) == sorted(flat(batch for part in parts for batch in part))
        assert len(set(flat(whole))) == len(flat(whole))
        # The same batches as for one process, except batches too small to share.
        together = [sorted(flat(batches)) for batches in zip(*parts, strict=True)]
        assert len(whole) - len(together) <= (3 if name == "pairs" else 1)
        if len(whole) == len(together) and name != "pairs":
            assert together == [sorted(batch) for batch in whole]


@pytest.mark.parametrize("streams", [1, 4, 5, 6])
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_each_stream_stays_in_one_process_and_empty_streams_have_no_targets(streams: int, ranks: int) -> None:
    def make() -> StreamBatches:
        return StreamBatches(TOKENS[:103], Streams(batch=streams, steps=7), None)

    alone, shares = make(), [make() for _ in range(ranks)]
    for rank, share in enumerate(shares):
        share.shard(rank, ranks)
    for _ in range(2):
        whole = list(alone)
        parts = [list(share) for share in shares]
        for number, (inputs, targets, anew) in enumerate(whole):
            split = [part[number] for part in parts]
            assert len({part[0].shape for part in split}) == 1
            assert {part[2] for part in split} == {anew}
            together = [torch.cat([part[which] for part in split], dim=1) for which in (0, 1)]
            assert torch.equal(together[0][:, :streams], inputs)
            assert torch.equal(together[1][:, :streams], targets)
            assert (together[1][:, streams:] == IGNORED).all()


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 8))
def test_every_process_has_a_part_of_every_batch(number: int, size: int, ranks: int) -> None:
    if ranks > 1 and min(size, number) < ranks:
        with pytest.raises(AnamnesisError, match=rf"trainer.devices: {ranks} processes"):
            batch_starts(number, size, ranks)
        return
    parts = np.split(np.arange(number), batch_starts(number, size, ranks))
    assert np.concatenate(parts).tolist() == list(range(number))
    assert min(map(len, parts)) >= min(ranks, number)
    # Only the last batch has another size: the rest, or the rest and the batch before.
    assert all(len(part) == size for part in parts[:-1])
    assert len(parts[-1]) < size + ranks
    if ranks == 1:
        assert [len(part) for part in parts] == [
            len(range(first, min(first + size, number))) for first in range(0, number, size)
        ]
