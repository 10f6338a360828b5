"""Properties that every split has, whatever the items."""

from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from anamnesis.data.readers.splits import Cut, Draw, complete, cut, draw, normalise
from anamnesis.errors import AnamnesisError

SMALL = st.integers(0, 12)
PAIRS = st.lists(st.tuples(SMALL, SMALL), max_size=60)


def keys(pair: tuple[int, int]) -> list[tuple[str, int]]:
    return [("left", pair[0]), ("right", pair[1])]


@given(items=PAIRS, seed=st.integers(0, 5))
def test_every_item_is_in_one_split_and_no_key_in_two(items, seed):
    split = Draw(valid=0.2, test=0.2, seed=seed)
    try:
        result = draw(items, split, "pairs", keys=keys)
    except AnamnesisError:
        assume(False)  # too few groups for three splits, which another test is about
    assert Counter(item for part in result.values() for item in part) == Counter(items)
    assert all(result.values())
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not {key for item in result[one] for key in keys(item)} & {
            key for item in result[other] for key in keys(item)
        }
    assert result == draw(items, split, "pairs", keys=keys)


def test_items_linked_through_others_stay_together():
    chain = [(number, number + 1) for number in range(10)]
    split = Draw(valid=1, test=1)
    result = draw([*chain, (100, 100), (200, 200)], split, "pairs", keys=lambda pair: pair)
    assert any(set(chain) <= set(part) for part in result.values())


@given(seed=st.integers(0, 20), labels=st.lists(st.sampled_from("abc"), min_size=60, max_size=120))
def test_every_stratum_has_its_share(seed, labels):
    items = list(enumerate(labels))
    split = Draw(valid=0.2, test=0.3, seed=seed)
    result = draw(items, split, "rows", keys=lambda item: [item[0]], stratum=lambda item: item[1])
    for label, count in Counter(labels).items():
        for name, share in (("valid", 0.2), ("test", 0.3)):
            assert abs(sum(item[1] == label for item in result[name]) - share * count) <= 1


def weights_of(result, weight):
    return {name: sum(map(weight, result[name])) for name in ("train", "valid", "test")}


@pytest.mark.parametrize("seed", range(50))
def test_no_split_is_one_giant_group(seed):
    """A sentence that most pairs share, and a novel among stories: both belong to train."""
    split = Draw(valid=0.1, test=0.1, seed=seed)
    pairs = [("OK", number) if number < 600 else (number, number) for number in range(1000)]
    result = draw(pairs, split, "pairs", keys=lambda pair: [("source", pair[0]), ("target", pair[1])])
    assert weights_of(result, lambda pair: 1) == {"train": 800, "valid": 100, "test": 100}
    works = [500_000 if number == 0 else 10_000 for number in range(51)]
    split = Draw(valid=0.05, test=0.05, seed=seed)
    result = draw(list(enumerate(works)), split, "works", keys=lambda work: [work[0]], weight=lambda work: work[1])
    assert weights_of(result, lambda work: work[1]) == {"train": 900_000, "valid": 50_000, "test": 50_000}


GROUPS = st.lists(
    st.tuples(st.one_of(st.integers(1, 9), st.sampled_from([40, 100, 1000, 10**6])), st.sampled_from("abc")),
    min_size=3,
    max_size=40,
)


@given(groups=GROUPS, seed=st.integers(0, 9), valid=st.floats(0.01, 0.4))
def test_a_split_has_about_its_share_of_hostile_groups(groups, seed, valid):
    items = [(number, *group) for number, group in enumerate(groups)]
    functions = {"keys": lambda item: [item[0]], "weight": lambda item: item[1], "stratum": lambda item: item[2]}
    result = draw(items, Draw(seed=seed, valid=valid), "works", **functions, names=("valid",))
    assert sorted(item for part in result.values() for item in part) == items
    assert all(result.values())
    wanted = {label: valid * sum(size for size, other in groups if other == label) for label in "abc"}
    sizes = {label: sum(size for _, size, other in result["valid"] if other == label) for label in "abc"}
    if any(sizes[label] > 2 * wanted[label] for label in "abc"):
        # No label has a group that is small enough: the split has its share of all groups, or the closest group.
        assert all(size > 2 * wanted[label] or wanted[label] <= 0.5 for size, label in groups)
        share = sum(wanted.values())
        assert sum(sizes.values()) <= 2 * share or (
            len(result["valid"]) == 1
            and abs(result["valid"][0][1] - share) == min(abs(size - share) for size, _ in groups)
        )
        return
    for label in "abc":
        left = wanted[label] - sizes[label]
        if left > max(0.5, 0.2 * wanted[label]):
            assert all(size > 2 * left - 1e-6 for _, size, other in result["train"] if other == label)


def test_no_giant_group_of_the_first_stratum_is_held_out():
    items = [("first", number, 1000) for number in range(3)] + [("other", number, 1) for number in range(1000)]
    functions = {"keys": lambda item: [item[:2]], "weight": lambda item: item[2], "stratum": lambda item: item[0]}
    result = draw(items, Draw(valid=0.1, test=0.1), "works", **functions)
    assert weights_of(result, lambda item: item[2]) == {"train": 3800, "valid": 100, "test": 100}


def test_strata_that_are_too_small_are_divided_together():
    """A label for each pair of documents: 0.2 of them for each split, so no stratum gives one by itself."""
    items = [(number // 2, number) for number in range(1000)]
    for seed in range(20):
        split = Draw(valid=0.1, test=0.1, seed=seed)
        result = draw(items, split, "documents", keys=lambda item: [item[1]], stratum=lambda item: item[0])
        assert weights_of(result, lambda item: 1) == {"train": 800, "valid": 100, "test": 100}
        assert len({label for label, _ in result["test"]}) > 80


def test_a_group_that_is_too_large_is_taken_where_a_split_would_be_empty():
    items = [("novel", 10**6), ("play", 1000), ("story", 900)]
    for seed in range(20):
        split = Draw(valid=0.0001, test=0.0001, seed=seed)
        result = draw(items, split, "works", keys=lambda item: [item[0]], weight=lambda item: item[1])
        assert result == {"train": items[:1], "test": items[2:], "valid": items[1:2]}


def test_whole_numbers_are_counts_and_another_seed_is_another_draw():
    draws = [draw(list(range(100)), Draw(valid=7, test=11, seed=n), "rows", keys=lambda item: [item]) for n in range(5)]
    assert [len(draws[0][name]) for name in ("train", "valid", "test")] == [82, 7, 11]
    assert len({tuple(result["test"]) for result in draws}) == 5


@given(
    weights=st.lists(st.integers(1, 100), min_size=3, max_size=50),
    valid=st.floats(0.01, 0.4),
    test=st.floats(0.01, 0.4),
)
def test_cut_keeps_the_order_and_cuts_at_the_closest_item(weights, valid, test):
    items = list(range(len(weights)))
    result = cut(items, weights, Cut(valid=valid, test=test), "chapters")
    assert result["train"] + result["valid"] + result["test"] == items
    assert all(result.values())
    # No other cut that leaves items for the other splits is closer to the wanted size of test.
    wanted = test * sum(weights)
    size = sum(weights[index] for index in result["test"])
    others = [sum(weights[cut:]) for cut in range(2, len(weights))]
    assert abs(size - wanted) <= min(abs(other - wanted) for other in others) + 1e-6


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_for_three_splits(count):
    with pytest.raises(AnamnesisError, match=r"would be empty"):
        cut(list(range(count)), [1] * count, Cut(), "chapters")
    with pytest.raises(AnamnesisError, match=r"would be empty"):
        draw(list(range(count)), Draw(), "rows", keys=lambda item: [item])


def test_published_splits_stay_and_train_loses_copies_of_them():
    train, test = [f"text {number}" for number in range(50)], ["Text  3", "unseen"]
    result, lost = complete(
        {"train": train, "test": test}, Draw(valid=0.2), "documents", keys=lambda text: [normalise(text)]
    )
    assert result["test"] == test
    assert lost == 1
    assert sorted(result["train"] + result["valid"]) == sorted(set(train) - {"text 3"})
    assert len(result["valid"]) == 10
    # Where all three are published, none changes.
    splits = {"train": ["a", "a"], "valid": ["a"], "test": ["b"]}
    assert complete(splits, Draw(), "documents", keys=lambda text: [text]) == (splits, 0)


@pytest.mark.parametrize(("one", "other"), [("Straße  x", "STRASSE\tX\n"), ("ﬁne", "fine"), ("Ａ", "a")])
def test_texts_that_count_as_equal(one, other):
    assert normalise(one) == normalise(other)
