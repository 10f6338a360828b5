"""Batching covers every token once, whatever the sizes, and can go on from where it stopped."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.settings import Streams, Windows
from anamnesis.tasks.language.streams import IGNORED, StreamBatches, WindowBatches


@given(tokens=st.integers(2, 300), batch=st.integers(1, 40), steps=st.integers(1, 60))
def test_every_pair_stands_in_exactly_one_place(tokens: int, batch: int, steps: int) -> None:
    if tokens - 1 < batch:
        return
    ids = np.arange(tokens, dtype=np.uint16)
    loader = StreamBatches(ids, Streams(batch=batch, steps=steps), None)
    segments = list(loader)
    assert len(segments) == len(loader)
    seen = []
    for inputs, targets, _ in segments:
        assert inputs.shape == targets.shape
        assert inputs.shape[1] == batch
        assert inputs.shape[0] <= steps
        for x, y in zip(inputs.flatten().tolist(), targets.flatten().tolist(), strict=True):
            if y != IGNORED:
                assert y == x + 1
                seen.append(x)
    assert sorted(seen) == list(range(tokens - 1))


def test_each_stream_goes_on_where_its_last_segment_ended() -> None:
    segments = list(StreamBatches(np.arange(11, dtype=np.uint8), Streams(batch=2, steps=3), None))
    assert [anew for *_, anew in segments] == [True, False]
    assert segments[0][0].T.tolist() == [[0, 1, 2], [5, 6, 7]]
    assert segments[1][0].T.tolist() == [[3, 4], [8, 9]]
    assert segments[1][1].T.tolist() == [[4, 5], [9, 10]]


@given(tokens=st.integers(2, 300), batch=st.integers(1, 12), warm_up=st.integers(0, 50), ranks=st.integers(1, 3))
def test_a_warm_up_reads_what_stands_before_and_counts_nothing_twice(
    tokens: int, batch: int, warm_up: int, ranks: int
) -> None:
    if tokens - 1 < batch:
        return
    counted = []
    for rank in range(ranks):
        loader = StreamBatches(np.arange(tokens, dtype=np.uint16), Streams(batch=batch, steps=7), None, warm_up)
        loader.shard(rank, ranks)
        inputs, targets = (torch.cat([batch[part] for batch in loader]).T.tolist() for part in (0, 1))
        for read, wanted in zip(inputs, targets, strict=True):
            places = [place for place, target in enumerate(wanted) if target != IGNORED]
            counted += [wanted[place] for place in places]
            if places:
                first = places[0]
                assert read[: places[-1] + 1] == list(range(read[0], wanted[places[-1]]))
                assert first == min(warm_up, wanted[first] - 1)
    assert sorted(counted) == list(range(1, tokens))


def test_the_start_of_a_sentence_is_no_target() -> None:
    ids = np.array([0, 5, 6, 0, 7], dtype=np.uint8)
    ((_, targets, _),) = StreamBatches(ids, Streams(batch=1, steps=4), start_id=0)
    assert targets.flatten().tolist() == [5, 6, IGNORED, 7]


def test_more_streams_than_pairs_are_refused_in_one_line() -> None:
    with pytest.raises(AnamnesisError, match=r"batches\.batch: found 8 streams for 5 tokens; allowed: at most 4"):
        StreamBatches(np.arange(5), Streams(batch=8, steps=2), None)


def test_windows_slide_and_predict_the_token_that_follows() -> None:
    ids = np.arange(11, dtype=np.uint8)
    ((inputs, targets, anew),) = WindowBatches(ids, Windows(kind="windows", batch=9, length=4, step=3), None, seed=0)
    found = sorted(zip(inputs.T.tolist(), targets.flatten().tolist(), strict=True))
    assert found == [([0, 1, 2, 3], 4), ([3, 4, 5, 6], 7), ([6, 7, 8, 9], 10)]
    assert anew


def test_windows_come_in_another_order_each_epoch_and_in_the_same_for_the_same_seed() -> None:
    ids, settings = np.arange(200, dtype=np.uint8), Windows(kind="windows", batch=7, length=4, step=3)
    loader, twin = WindowBatches(ids, settings, None, seed=3), WindowBatches(ids, settings, None, seed=3)
    first, second = [[x[:, 0].tolist() for x, *_ in loader] for _ in range(2)]
    assert first != second
    assert [[x[:, 0].tolist() for x, *_ in twin] for _ in range(2)] == [first, second]


def test_windows_per_epoch_draws_that_many_different_ones() -> None:
    settings = Windows(kind="windows", batch=4, length=4, step=3, per_epoch=10)
    loader = WindowBatches(np.arange(100, dtype=np.uint8), settings, None, seed=0)
    starts = [x for inputs, *_ in loader for x in inputs[0].tolist()]
    assert len(starts) == len(set(starts)) == 10
    assert len(loader) == 3


@pytest.mark.parametrize(
    "make",
    [
        lambda: StreamBatches(np.arange(100, dtype=np.uint8), Streams(batch=3, steps=4), None),
        lambda: WindowBatches(np.arange(100, dtype=np.uint8), Windows(kind="windows", batch=3, length=5), None, 7),
    ],
)
def test_a_stored_position_goes_on_with_the_next_batch(make) -> None:  # type: ignore[no-untyped-def]
    whole, part, rest = make(), make(), make()
    expected = [x.tolist() for _ in range(2) for x, *_ in whole]
    iterator = iter(part)
    head = [next(iterator)[0].tolist() for _ in range(4)]
    rest.load_state_dict(part.state_dict())
    tail = [x.tolist() for _ in range(2) for x, *_ in rest]
    assert head + tail == expected


@pytest.mark.parametrize("settings", [Streams(batch=3, steps=4), Windows(kind="windows", batch=3, length=5)])
def test_an_epoch_read_without_asking_for_one_batch_too_many_is_over(settings) -> None:  # type: ignore[no-untyped-def]
    ids = np.arange(100, dtype=np.uint8)
    kind = StreamBatches if isinstance(settings, Streams) else WindowBatches
    loader = kind(ids, settings, None) if kind is StreamBatches else kind(ids, settings, None, 7)
    for _ in range(2):
        batches = iter(loader)
        assert len([next(batches) for _ in range(len(loader))]) == len(loader)
