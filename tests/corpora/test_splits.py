"""Properties that every split has, whatever the items."""

from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anamnesis.corpora.settings import Cut, Draw
from anamnesis.corpora.splits import contiguous, drawn, fill, normalise
from anamnesis.errors import AnamnesisError

SMALL = st.integers(0, 12)
PAIRS = st.lists(st.tuples(SMALL, SMALL), max_size=60)


def keys(pair: tuple[int, int]) -> list[tuple[str, int]]:
    return [("left", pair[0]), ("right", pair[1])]


@given(items=PAIRS, seed=st.integers(0, 5))
def test_draw_parts_the_items_and_separates_their_keys(items, seed):
    split = Draw(valid=0.2, test=0.2, seed=seed)
    try:
        result = drawn(items, split, "pairs", keys=keys)
    except AnamnesisError:
        assume(False)  # too few groups for three splits, which another test is about
    assert Counter(item for part in result.values() for item in part) == Counter(items)
    assert all(result.values())
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not {key for item in result[one] for key in keys(item)} & {
            key for item in result[other] for key in keys(item)
        }
    assert result == drawn(items, split, "pairs", keys=keys)


def test_items_linked_through_others_stay_together():
    chain = [(number, number + 1) for number in range(10)]
    split = Draw(valid=1, test=1)
    result = drawn([*chain, (100, 100), (200, 200)], split, "pairs", keys=lambda pair: pair)
    assert any(set(chain) <= set(part) for part in result.values())


@given(seed=st.integers(0, 20), labels=st.lists(st.sampled_from("abc"), min_size=60, max_size=120))
def test_every_stratum_has_its_share(seed, labels):
    items = list(enumerate(labels))
    split = Draw(valid=0.2, test=0.3, seed=seed)
    result = drawn(items, split, "rows", keys=lambda item: [item[0]], stratum=lambda item: item[1])
    for label, count in Counter(labels).items():
        for name, share in (("valid", 0.2), ("test", 0.3)):
            assert abs(sum(item[1] == label for item in result[name]) - share * count) <= 1


def test_another_seed_is_another_draw():
    items = list(range(100))
    draws = {tuple(drawn(items, Draw(seed=seed), "rows", keys=lambda item: [item])["test"]) for seed in range(5)}
    assert len(draws) == 5


def test_whole_numbers_are_counts():
    result = drawn(list(range(100)), Draw(valid=7, test=11), "rows", keys=lambda item: [item])
    assert [len(result[name]) for name in ("train", "valid", "test")] == [82, 7, 11]


@given(
    weights=st.lists(st.integers(1, 100), min_size=3, max_size=50),
    valid=st.floats(0.01, 0.4),
    test=st.floats(0.01, 0.4),
)
def test_contiguous_keeps_the_order_and_cuts_at_the_nearest_item(weights, valid, test):
    items = list(range(len(weights)))
    result = contiguous(items, weights, Cut(valid=valid, test=test), "chapters")
    assert result["train"] + result["valid"] + result["test"] == items
    assert all(result.values())
    # No cut that leaves room for the others is nearer to the wanted size of test.
    wanted = test * sum(weights)
    size = sum(weights[index] for index in result["test"])
    others = [sum(weights[cut:]) for cut in range(2, len(weights))]
    assert abs(size - wanted) <= min(abs(other - wanted) for other in others) + 1e-6


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_for_three_splits(count):
    with pytest.raises(AnamnesisError, match=r"would be empty"):
        contiguous(list(range(count)), [1] * count, Cut(), "chapters")
    with pytest.raises(AnamnesisError, match=r"would be empty"):
        drawn(list(range(count)), Draw(), "rows", keys=lambda item: [item])


def test_published_splits_stay_and_cost_train_its_copies():
    train, test = [f"text {number}" for number in range(50)], ["Text  3", "unseen"]
    result, lost = fill(
        {"train": train, "test": test}, Draw(valid=0.2), "documents", keys=lambda text: [normalise(text)]
    )
    assert result["test"] == test
    assert lost == 1
    assert sorted(result["train"] + result["valid"]) == sorted(set(train) - {"text 3"})
    assert len(result["valid"]) == 10


def test_three_published_splits_are_not_touched():
    given_splits = {"train": ["a", "a"], "valid": ["a"], "test": ["b"]}
    assert fill(given_splits, Draw(), "documents", keys=lambda text: [text]) == (given_splits, 0)


@pytest.mark.parametrize(("one", "other"), [("Straße  x", "STRASSE\tX\n"), ("ﬁne", "fine"), ("Ａ", "a")])
def test_what_counts_as_the_same(one, other):
    assert normalise(one) == normalise(other)
