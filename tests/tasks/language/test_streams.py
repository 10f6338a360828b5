"""Batches cover every token once, whatever the sizes, and continue where they stopped."""

from collections.abc import Iterable
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.language.model.streams import IGNORED, Batch, StreamBatches, WindowBatches
from anamnesis.tasks.language.settings import Streams, Windows


def test_each_stream_continues_where_its_last_segment_ended() -> None:
    segments = list(StreamBatches(np.arange(11, dtype=np.uint8), Streams(batch=2, steps=3), None))
    assert [starts for *_, starts in segments] == [True, False]
    assert segments[0][0].T.tolist() == [[0, 1, 2], [5, 6, 7]]
    assert segments[1][0].T.tolist() == [[3, 4], [8, 9]]
    assert segments[1][1].T.tolist() == [[4, 5], [9, 10]]


@given(
    tokens=st.integers(2, 300),
    batch=st.integers(1, 40),
    steps=st.integers(1, 60),
    warm_up=st.integers(0, 50),
    ranks=st.integers(1, 3),
)
def test_every_token_is_a_target_once_and_a_warm_up_reads_the_tokens_before(
    tokens: int, batch: int, steps: int, warm_up: int, ranks: int
) -> None:
    batch, counted = min(batch, tokens - 1), []
    for rank in range(ranks):
        loader = StreamBatches(np.arange(tokens, dtype=np.uint16), Streams(batch=batch, steps=steps), None, warm_up)
        loader.shard(rank, ranks)
        segments = list(loader)
        assert len(segments) == len(loader)
        assert all(inputs.shape == targets.shape and len(inputs) <= steps for inputs, targets, _ in segments)
        inputs, targets = (torch.cat([segment[part] for segment in segments]).T.tolist() for part in (0, 1))
        assert len(inputs) == -(-batch // ranks)
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
    with pytest.raises(AnamnesisError, match=r"batches\.batch: found 8 streams for 5 tokens; allowed: at most 4"):
        StreamBatches(ids, Streams(batch=8, steps=2), None)


def test_windows_slide_and_predict_the_next_token() -> None:
    ids = np.arange(11, dtype=np.uint8)
    ((inputs, targets, starts),) = WindowBatches(ids, Windows(kind="windows", batch=9, length=4, step=3), None, seed=0)
    windows = sorted(zip(inputs.T.tolist(), targets.flatten().tolist(), strict=True))
    assert windows == [([0, 1, 2, 3], 4), ([3, 4, 5, 6], 7), ([6, 7, 8, 9], 10)]
    assert starts


@pytest.mark.parametrize(("per_epoch", "count"), [(None, 32), (10, 10)])
def test_windows_come_in_another_order_each_epoch_and_go_on_where_they_stopped(
    per_epoch: int | None, count: int
) -> None:
    def loader() -> WindowBatches:
        settings = Windows(kind="windows", batch=4, length=4, step=3, per_epoch=per_epoch)
        return WindowBatches(np.arange(100, dtype=np.uint8), settings, None, seed=3)

    def starts(batches: Iterable[Batch]) -> list[int]:
        return [start for inputs, *_ in batches for start in inputs[0].tolist()]

    whole, part, rest = loader(), loader(), loader()
    first, second = starts(whole), starts(whole)
    assert len(first) == len(set(first)) == len(second) == count
    assert set(first) <= set(range(0, 96, 3))
    assert first != second
    head = starts(islice(part, 2))
    rest.load_state_dict(part.state_dict())
    assert head + starts(rest) == first
    assert starts(rest) == second
