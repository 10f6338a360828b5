"""Batches of pairs: every pair once an epoch, little padding, orders that repeat, and places as loops have them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from anamnesis.data.stores.store import open_pairs
from anamnesis.data.tokenizers import tokenizer
from anamnesis.tasks.translation.batches import Batch, PairBatches, collate, pair_ids
from anamnesis.tasks.translation.sides import Side

START, END = 1, 2


def pairs(number: int, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Sentences with lengths spread as those of a program's texts and their translations; the first ids tell which."""
    chance = np.random.default_rng(seed)
    lengths = np.clip(np.exp(chance.normal(1.9, 0.8, number)).round(), 2, 60).astype(int)
    others = np.clip((lengths * np.exp(chance.normal(0.01, 0.24, number))).round(), 2, 70).astype(int)
    return tuple(  # type: ignore[return-value]
        [
            np.array([3 + which, *chance.integers(3, 3 + number, length - 1), END])
            for which, length in enumerate(some.tolist())
        ]
        for some in (lengths, others)
    )


def identity(batch: Batch) -> tuple[int, ...]:
    """Which pairs are in a batch of `pairs`, in their order."""
    return tuple((batch.source[0] - 3).tolist())


def epoch(batches: PairBatches) -> list[tuple[int, ...]]:
    return [identity(batch) for batch in batches]


def test_places_inputs_and_targets_equal_a_naive_construction() -> None:
    sources = [np.array(ids) for ids in ([4, 5, END], [6, END], [END], [7, 8, 9, END])]
    targets = [np.array(ids) for ids in ([5, END], [9, 8, 7, END], [6, 6, END], [END])]
    batch = collate(sources, targets, START)
    assert batch.lengths.tolist() == [3, 2, 1, 4]
    assert batch.source.shape == (4, 4)
    assert batch.inputs.shape == (4, 4)
    assert all(part.dtype == torch.int64 for part in (batch.source, batch.inputs, batch.places, batch.targets))
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
@pytest.mark.parametrize("tokens", [1, 60, 400, 10**6])
def test_every_pair_is_in_every_epoch_once(seed: int | None, tokens: int) -> None:
    sources, targets = pairs(300)
    batches = PairBatches(sources, targets, START, tokens, seed)
    for _ in range(3):
        found = list(batches)
        assert len(found) == len(batches)
        assert sorted(number for batch in found for number in identity(batch)) == list(range(300))
        for batch in found:
            names = identity(batch)
            # A pair stays a pair.
            again = collate([sources[name] for name in names], [targets[name] for name in names], START)
            for part, other in zip(batch, again, strict=True):
                assert np.array_equal(part, other)
            assert batch.inputs.numel() <= tokens or batch.inputs.shape[1] == 1


def test_orders_differ_between_epochs_and_repeat_for_a_seed() -> None:
    sources, targets = pairs(300)
    made = [PairBatches(sources, targets, START, 100, seed) for seed in (3, 3, 4)]
    first, again, other = ([epoch(batches) for _ in range(3)] for batches in made)
    assert first == again
    orders = [*first, *other]
    assert all(one != two for index, one in enumerate(orders) for two in orders[:index])
    # Other pairs meet, and not only do the same batches come in another order.
    assert len({frozenset(map(frozenset, order)) for order in orders}) == len(orders)  # type: ignore[arg-type]
    # Short and long batches take turns.
    lengths = [len(targets[batch[0]]) for batch in first[0]]
    assert lengths != sorted(lengths)


def test_without_a_seed_every_epoch_is_the_same() -> None:
    batches = PairBatches(*pairs(100), START, 100, None)
    assert epoch(batches) == epoch(batches)


def test_there_is_little_padding_and_it_is_told() -> None:
    sources, targets = pairs(20_000)
    batches = PairBatches(sources, targets, START, 600, 1)
    told = batches.padding()
    real, places = np.zeros(2), np.zeros(2)
    for batch in batches:
        names = identity(batch)
        real += [sum(len(sources[name]) for name in names), sum(len(targets[name]) for name in names)]
        places += [batch.source.numel(), batch.inputs.numel()]
    source, target = 1 - real / places
    assert told == (pytest.approx(source), pytest.approx(target))
    assert target < 0.02
    assert source < 0.15
    # Batches are as full as they may be but for what does not divide.
    assert len(batches) < 1.1 * places[1] / 600


@pytest.mark.parametrize("stop", [0, 1, 5, -1])
def test_what_is_restored_in_mid_epoch_goes_on_there(stop: int) -> None:
    sources, targets = pairs(200)
    whole = PairBatches(sources, targets, START, 80, 3)
    expected = [epoch(whole) for _ in range(3)]
    stopped = PairBatches(sources, targets, START, 80, 3)
    assert epoch(stopped) == expected[0]
    stop %= len(stopped)
    begun = iter(stopped)
    done = [identity(next(begun)) for _ in range(stop)]
    state = stopped.state_dict()
    resumed = PairBatches(sources, targets, START, 80, 3)
    resumed.load_state_dict(state)
    assert done + epoch(resumed) == expected[1]
    assert epoch(resumed) == expected[2]


def test_an_epoch_is_over_with_its_last_batch() -> None:
    batches = PairBatches(*pairs(50), START, 80, 3)
    begun = iter(batches)
    for _ in range(len(batches)):
        next(begun)
    # As a trainer leaves it, which knows how many there are.
    assert batches.state_dict() == {"position": 0, "epoch": 1}


@pytest.mark.parametrize("name", ["words", "subwords", "separate"])
def test_ids_are_those_of_the_store_with_an_end(stores: Path, name: str) -> None:
    store = stores / "data" / "tokens" / name
    sides = [Side(tokenizer.load(store / f"{which}_tokenizer.json")) for which in ("source", "target")]
    held = open_pairs(store, "test")
    for side, sequences, ids in zip(sides, (held.source, held.target), pair_ids(store, "test", *sides), strict=True):
        assert [each.tolist() for each in ids] == [[*sequences[i].tolist(), side.end] for i in range(len(held))]
        assert all(each.dtype == np.int64 for each in ids)
