"""Batches cover every token once, whatever the sizes, and continue where they stopped."""

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.model.streams import IGNORED, StreamBatches, WindowBatches
from anamnesis.tasks.language.settings import Streams, Windows


@given(tokens=st.integers(2, 300), batch=st.integers(1, 40), steps=st.integers(1, 60))
def test_every_pair_is_in_exactly_one_place(tokens: int, batch: int, steps: int) -> None:
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


def test_each_stream_continues_where_its_last_segment_ended() -> None:
    segments = list(StreamBatches(np.arange(11, dtype=np.uint8), Streams(batch=2, steps=3), None))
    assert [starts for *_, starts in segments] == [True, False]
    assert segments[0][0].T.tolist() == [[0, 1, 2], [5, 6, 7]]
    assert segments[1][0].T.tolist() == [[3, 4], [8, 9]]
    assert segments[1][1].T.tolist() == [[4, 5], [9, 10]]


@given(tokens=st.integers(2, 300), batch=st.integers(1, 12), warm_up=st.integers(0, 50), ranks=st.integers(1, 3))
def test_a_warm_up_reads_the_tokens_before_and_no_target_counts_twice(
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


def test_more_streams_than_pairs_are_refused() -> None:
    with pytest.raises(AnamnesisError, match=r"batches\.batch: found 8 streams for 5 tokens; allowed: at most 4"):
        StreamBatches(np.arange(5), Streams(batch=8, steps=2), None)


def test_windows_slide_and_predict_the_next_token() -> None:
    ids = np.arange(11, dtype=np.uint8)
    ((inputs, targets, starts),) = WindowBatches(ids, Windows(kind="windows", batch=9, length=4, step=3), None, seed=0)
    windows = sorted(zip(inputs.T.tolist(), targets.flatten().tolist(), strict=True))
    assert windows == [([0, 1, 2, 3], 4), ([3, 4, 5, 6], 7), ([6, 7, 8, 9], 10)]
    assert starts


def test_the_order_of_windows_changes_each_epoch_and_depends_on_the_seed() -> None:
    ids, settings = np.arange(200, dtype=np.uint8), Windows(kind="windows", batch=7, length=4, step=3)
    loader, twin = WindowBatches(ids, settings, None, seed=3), WindowBatches(ids, settings, None, seed=3)
    first, second = [[x[:, 0].tolist() for x, *_ in loader] for _ in range(2)]
    assert first != second
    assert [[x[:, 0].tolist() for x, *_ in twin] for _ in range(2)] == [first, second]


def test_per_epoch_is_the_number_of_different_windows() -> None:
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
def test_a_restored_loader_continues_with_the_next_batch(make) -> None:  # type: ignore[no-untyped-def]
    whole, part, rest = make(), make(), make()
    expected = [x.tolist() for _ in range(2) for x, *_ in islice(whole, len(whole))]
    iterator = iter(part)
    head = [next(iterator)[0].tolist() for _ in range(4)]
    rest.load_state_dict(part.state_dict())
    tail = [x.tolist() for _ in range(2) for x, *_ in rest]
    assert head + tail == expected
