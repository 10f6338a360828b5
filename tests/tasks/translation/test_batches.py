"""Batches of pairs: each pair once an epoch, little padding, orders that repeat and resume."""

import numpy as np
import pytest

from anamnesis.tasks.translation.model.batches import PairBatches, collate

START, END = 1, 2


def pairs(number, seed=0):
    """Sentences with the lengths of program messages and their translations; the first id of a pair is its number."""
    chance = np.random.default_rng(seed)
    lengths = np.clip(np.exp(chance.normal(1.9, 0.8, number)).round(), 2, 60).astype(int)
    others = np.clip((lengths * np.exp(chance.normal(0.01, 0.24, number))).round(), 2, 70).astype(int)
    return tuple(
        [
            np.array([3 + pair, *chance.integers(3, 3 + number, length - 1), END])
            for pair, length in enumerate(some.tolist())
        ]
        for some in (lengths, others)
    )


def numbers(batch):
    """The numbers of the pairs in a batch of `pairs`, in their order."""
    return tuple((batch.source[0] - 3).tolist())


def epoch(batches):
    return [numbers(batch) for batch in batches]


def test_collate_equals_a_loop():
    sources = [np.array(ids) for ids in ([4, 5, END], [6, END], [END], [7, 8, 9, END])]
    targets = [np.array(ids) for ids in ([5, END], [9, 8, 7, END], [6, 6, END], [END])]
    batch = collate(sources, targets, START)
    assert batch.lengths.tolist() == [3, 2, 1, 4]
    assert batch.source.shape == batch.inputs.shape == (4, 4)
    for column, source in enumerate(sources):
        assert batch.source[:, column].tolist() == [*source, *[END] * (4 - len(source))]
    places, expected = [], []
    for time in range(4):
        for column, target in enumerate(targets):
            if time < len(target):
                places.append(time * len(targets) + column)
                expected.append(target[time])
                assert batch.inputs[time, column] == (START if time == 0 else target[time - 1])
    assert batch.places.tolist() == places
    assert batch.targets.tolist() == expected


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("tokens", [1, 60, 10**6])
def test_an_epoch_has_every_pair_once(seed, tokens):
    sources, targets = pairs(300)
    batches = PairBatches(sources, targets, START, tokens, seed)
    for _ in range(2):
        found = list(batches)
        assert len(found) == len(batches)
        assert sorted(number for batch in found for number in numbers(batch)) == list(range(300))
        for batch in found:
            again = collate([sources[i] for i in numbers(batch)], [targets[i] for i in numbers(batch)], START)
            assert all(np.array_equal(part, other) for part, other in zip(batch, again, strict=True))
            assert batch.inputs.numel() <= tokens or batch.inputs.shape[1] == 1


def test_orders_differ_between_epochs_and_repeat_for_a_seed():
    sources, targets = pairs(300)
    first, again, other = (
        [epoch(batches) for _ in range(3)]
        for batches in (PairBatches(sources, targets, START, 100, seed) for seed in (3, 3, 4))
    )
    assert first == again
    # Epochs differ in the batches themselves, not only in their order.
    assert len({frozenset(map(frozenset, order)) for order in (*first, *other)}) == 6
    lengths = [len(targets[batch[0]]) for batch in first[0]]
    assert lengths != sorted(lengths)
    fixed = PairBatches(sources, targets, START, 100, None)
    assert epoch(fixed) == epoch(fixed)


def test_there_is_little_padding():
    sources, targets = pairs(20_000)
    batches = list(PairBatches(sources, targets, START, 600, 1))
    source_places, target_places = (
        sum(part.numel() for part in parts)
        for parts in zip(*((batch.source, batch.inputs) for batch in batches), strict=True)
    )
    assert sum(map(len, targets)) / target_places > 0.98
    assert sum(map(len, sources)) / source_places > 0.85
    assert len(batches) < 1.1 * target_places / 600
