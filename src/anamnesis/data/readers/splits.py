"""Which part of a corpus trains, which validates, which tests. All functions are pure: same arguments, same split."""

import random
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain
from typing import TypeVar

from anamnesis.data.settings import Cut, Draw, SplitName
from anamnesis.errors import AnamnesisError

Item = TypeVar("Item")
NAMES: tuple[SplitName, ...] = ("train", "valid", "test")
# A drawn split that lacks no more than this share of its size ends at the first group that is too large for the rest.
NEAR = 0.2


def normalise(text: str) -> str:
    """The form in which two texts count as the same: compatibility characters, case and white space do not matter."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def amounts(total: int, split: Cut, unit: str) -> tuple[int, int]:
    """How many of `total` units valid and test get; a share is rounded, and is at least 1.

    Raises:
        AnamnesisError: nothing would be left for train.
    """
    valid, test = (max(1, round(size * total)) if size < 1 else int(size) for size in (split.valid, split.test))
    if valid + test >= total:
        raise AnamnesisError(
            f"{total:,} {unit}, of which valid takes {valid:,} and test {test:,}: the train split would be empty"
        )
    return valid, test


def contiguous(items: Sequence[Item], weights: Sequence[int], split: Cut, unit: str) -> dict[SplitName, list[Item]]:
    """Train, valid and test one after the other, cut between items where the weights passed come nearest to the sizes.

    Args:
        items: in their order.
        weights: how much each counts, such as its characters; sizes of 1 and more count items, not weights.
        split: sizes of valid and test.
        unit: what an item is, for errors.

    Raises:
        AnamnesisError: a split would be empty.
    """
    if len(items) < 3:
        raise AnamnesisError(f"{len(items)} {unit}: three splits need at least 3; one would be empty")
    ends = [0]
    for weight in weights:
        ends.append(ends[-1] + weight)
    by_count = split.valid >= 1 or split.test >= 1
    if by_count:
        valid, test = amounts(len(items), split, unit)
        second = len(items) - test
        first = second - valid
    else:
        total = ends[-1]
        second = _nearest(ends, total * (1 - split.test), 2, len(items) - 1)
        first = _nearest(ends, total * (1 - split.test - split.valid), 1, second - 1)
    return {"train": list(items[:first]), "valid": list(items[first:second]), "test": list(items[second:])}


def _nearest(ends: list[int], target: float, low: int, high: int) -> int:
    return min(range(low, high + 1), key=lambda index: (abs(ends[index] - target), index))


def drawn(
    items: Sequence[Item],
    split: Draw,
    unit: str,
    *,
    keys: Callable[[Item], Iterable[Hashable]],
    weight: Callable[[Item], int] = lambda item: 1,
    stratum: Callable[[Item], Hashable] = lambda item: None,
    parts: tuple[SplitName, ...] = ("test", "valid"),
) -> dict[SplitName, list[Item]]:
    """Splits drawn by `split.seed`; items that share a key, also through others, stay together.

    Within each stratum, `test` and then `valid` take groups in a random order until they have their share of the
    stratum's weight; the rest is train. A group that would bring a split further from its share than it is without it
    is left out, so that a split takes at most twice its share. A split to which no stratum gives anything takes its
    share of all groups together; where that is nothing either, half of the groups of the other split; and where that
    has only one, the group whose weight is nearest to its share. Where nothing is left for train, it gets half of the
    groups of a split. Every split keeps the order of `items`.

    Args:
        items: what is split.
        split: sizes (a share of the weight, or a weight) and seed.
        unit: what an item is, for errors.
        keys: what must not be on both sides, such as the normalised text.
        weight: how much an item counts.
        stratum: items of each stratum are shared out in the same proportion; a group has its first item's.
        parts: the splits to draw; leave "test" out where it is published.

    Raises:
        AnamnesisError: a split would be empty.
    """
    groups = _components(items, keys)
    weights = [sum(weight(items[index]) for index in group) for group in groups]
    strata: dict[Hashable, list[int]] = {}
    for number, group in enumerate(groups):
        strata.setdefault(stratum(items[group[0]]), []).append(number)
    total = sum(weights)
    chosen: dict[SplitName, list[int]] = {name: [] for name in parts}
    generator = random.Random(split.seed)
    sizes = {"valid": split.valid, "test": split.test}
    shares = {name: sizes[name] if sizes[name] < 1 else sizes[name] / max(total, 1) for name in parts}
    for members in strata.values():
        generator.shuffle(members)
        here = sum(weights[number] for number in members)
        for name in parts:
            taken = _take(shares[name] * here, members, weights)
            chosen[name] += taken
            members = _without(members, taken)
    for name in parts:
        if chosen[name]:
            continue
        left = _without(list(range(len(groups))), list(chain(*chosen.values())))
        generator.shuffle(left)
        wanted = shares[name] * total
        other = max(chosen.values(), key=len)
        chosen[name] = _take(wanted, left, weights)
        if not chosen[name] and len(other) > 1:
            chosen[name] = other[1::2]
            del other[1::2]
        elif not chosen[name]:
            chosen[name] = sorted(left, key=lambda number: abs(weights[number] - wanted))[:1]
    if not _without(list(range(len(groups))), list(chain(*chosen.values()))):
        del max(chosen.values(), key=len)[1::2]
    taken_by = {index: name for name in parts for number in chosen[name] for index in groups[number]}
    result: dict[SplitName, list[Item]] = {name: [] for name in ("train", *parts)}
    for index, item in enumerate(items):
        result[taken_by.get(index, "train")].append(item)
    for name, found in result.items():
        if not found:
            raise AnamnesisError(f"{len(items):,} {unit} in {len(groups):,} groups: the {name} split would be empty")
    return result


def _take(wanted: float, members: list[int], weights: list[int]) -> list[int]:
    """Of the groups `members`, in their order, those that bring a split nearer to the weight wanted."""
    taken = []
    left = wanted
    for number in members:
        if left <= 0.5:
            break
        if abs(left - weights[number]) <= left:
            taken.append(number)
            left -= weights[number]
        elif left <= NEAR * wanted and weights[number] <= 2 * wanted:
            break
    return taken


def _without(members: list[int], taken: list[int]) -> list[int]:
    """The groups `members`, in their order, that are not among those taken."""
    gone = set(taken)
    return [number for number in members if number not in gone]


def _components(items: Sequence[Item], keys: Callable[[Item], Iterable[Hashable]]) -> list[list[int]]:
    """Indices of the items, grouped so that two with a key in common are in the same group (union-find)."""
    parent = list(range(len(items)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[Hashable, int] = {}
    for index, item in enumerate(items):
        for key in keys(item):
            other = root(first.setdefault(key, index))
            mine = root(index)
            parent[max(other, mine)] = min(other, mine)
    groups: dict[int, list[int]] = {}
    for index in range(len(items)):
        groups.setdefault(root(index), []).append(index)
    return list(groups.values())


def fill(
    given: dict[SplitName, list[Item]],
    split: Draw,
    unit: str,
    *,
    keys: Callable[[Item], Iterable[Hashable]],
    weight: Callable[[Item], int] = lambda item: 1,
    stratum: Callable[[Item], Hashable] = lambda item: None,
) -> tuple[dict[SplitName, list[Item]], int]:
    """Complete the splits that a source publishes: what it does not is drawn from train.

    Where all three are published, nothing is changed. Where something is drawn, train first loses the items that share
    a key with a published split.

    Returns:
        The three splits, and how many items train lost.

    Raises:
        AnamnesisError: a split would be empty.
    """
    if set(given) == set(NAMES):
        for name in NAMES:
            if not given[name]:
                raise AnamnesisError(f"the {name} split would be empty")
        return given, 0
    pool = given.get("train", [])
    published: dict[SplitName, list[Item]] = {name: items for name, items in given.items() if name != "train"}
    known = {key for items in published.values() for item in items for key in keys(item)}
    kept = [item for item in pool if not known.intersection(keys(item))]
    drawn_here: list[SplitName] = [name for name in NAMES[:0:-1] if name not in published]
    result = drawn(kept, split, unit, keys=keys, weight=weight, stratum=stratum, parts=tuple(drawn_here))
    return result | published, len(pool) - len(kept)
