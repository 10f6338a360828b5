"""Which part of a corpus trains, which validates, which tests. All functions are pure: same arguments, same split."""

import random
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

from anamnesis.corpora.settings import Cut, Draw, SplitName
from anamnesis.errors import AnamnesisError

Item = TypeVar("Item")
NAMES: tuple[SplitName, ...] = ("train", "valid", "test")


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

    Within each stratum, groups are taken in a random order until `test`, then `valid`, is as near as can be to its
    share of the stratum's weight; the rest is train. Every split keeps the order of `items`.

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
    strata: dict[Hashable, list[list[int]]] = {}
    for group in groups:
        strata.setdefault(stratum(items[group[0]]), []).append(group)
    total = sum(weight(item) for item in items)
    chosen: dict[SplitName, set[int]] = {name: set() for name in parts}
    generator = random.Random(split.seed)
    sizes = {"valid": split.valid, "test": split.test}
    for members in strata.values():
        generator.shuffle(members)
        here = sum(weight(items[index]) for group in members for index in group)
        queue: Iterator[list[int]] = iter(members)
        for name in parts:
            share = sizes[name] if sizes[name] < 1 else sizes[name] / total
            left = share * here
            while left > 0.5 and (group := next(queue, [])):
                size = sum(weight(items[index]) for index in group)
                if chosen[name] and abs(left - size) > left:
                    queue = chain(
                        [group], queue
                    )  # without this group the part is nearer to its size: leave it for the next
                    break
                chosen[name].update(group)
                left -= size
    taken = set().union(*chosen.values())
    result: dict[SplitName, list[Item]] = {"train": [item for index, item in enumerate(items) if index not in taken]}
    for name in parts:
        result[name] = [items[index] for index in sorted(chosen[name])]
    for name in ("train", *parts):
        if not result[name]:
            raise AnamnesisError(f"{len(items):,} {unit} in {len(groups):,} groups: the {name} split would be empty")
    return result


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
