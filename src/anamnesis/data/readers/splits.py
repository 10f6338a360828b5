"""How a corpus is divided into train, valid and test.

All functions are pure: the same arguments give the same splits.
"""

import random
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from anamnesis.data.sources.local import Part
from anamnesis.data.sources.settings import SplitName
from anamnesis.errors import AnamnesisError
from anamnesis.schema import Settings

Item = TypeVar("Item")
Splits = dict[SplitName, list[Item]]
SPLITS: tuple[SplitName, ...] = ("train", "valid", "test")
# Drawing a split ends at the first group that is too large once no more than this share of its size is missing.
NEAR = 0.2


def _share_or_count(size: float) -> float:
    if size >= 1 and size != int(size):
        raise ValueError("a share below 1, or a whole number")
    return size


Size = Annotated[float, Field(gt=0), AfterValidator(_share_or_count)]


class Cut(Settings):
    """Contiguous splits: train, then valid, then test, in the order of the source."""

    valid: Size = Field(0.05, description="below 1: share of the corpus; otherwise characters, rows or chapters")
    test: Size = Field(0.05, description="below 1: share of the corpus; otherwise characters, rows or chapters")

    @model_validator(mode="after")
    def _train_is_not_empty(self) -> Self:
        if self.valid < 1 and self.test < 1 and self.valid + self.test >= 1:
            raise ValueError("shares of valid and test that leave something for train")
        return self


class Draw(Cut):
    """Random splits: the seed decides what goes to valid and to test."""

    valid: Size = Field(0.1, description="below 1: share of the corpus; otherwise a number")
    test: Size = Field(0.1, description="below 1: share of the corpus; otherwise a number")
    seed: int = Field(1, ge=0, le=2**32 - 1, description="seed of the random choice")


def normalise(text: str) -> str:
    """The text without differences of case, white space and compatibility characters; equal texts have equal forms."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def read_parts(parts: Iterable[Part], read: Callable[[Part], Iterable[Item]]) -> "Splits[Item]":
    """The items of each split that the source names; files without a split belong to train."""
    splits: Splits[Item] = {}
    for part in parts:
        splits.setdefault(part.split or "train", []).extend(read(part))
    return splits


def limit_rows(splits: "Splits[Item]", limit: int | None, minimum: int, unit: str, name: str) -> "Splits[Item]":
    """The first `limit` items of each split.

    Args:
        splits: the items by split.
        limit: None: all items.
        minimum: how many items all splits together must have.
        unit: what an item is, in the plural, for errors.
        name: the file that an error names.

    Raises:
        AnamnesisError: there are fewer items than `minimum`.
    """
    limited = {split: items[:limit] for split, items in splits.items()}
    check_minimum(sum(map(len, limited.values())), minimum, unit, name)
    return limited


def check_minimum(found: int, minimum: int, unit: str, name: str) -> None:
    """Raise an AnamnesisError where a corpus has fewer than `minimum` units."""
    if found < minimum:
        raise AnamnesisError(f"{name}: only {found:,} {unit}; at least {minimum:,} are needed")


def sizes(total: int, split: Cut, unit: str) -> tuple[int, int]:
    """The sizes of valid and test among `total` units; a share is rounded, and is at least 1.

    Raises:
        AnamnesisError: nothing would be left for train.
    """
    valid, test = (max(1, round(size * total)) if size < 1 else int(size) for size in (split.valid, split.test))
    if valid + test >= total:
        raise AnamnesisError(
            f"{total:,} {unit}, of which valid takes {valid:,} and test {test:,}: the train split would be empty"
        )
    return valid, test


def cut(items: Sequence[Item], weights: Sequence[int], split: Cut, unit: str) -> "Splits[Item]":
    """Contiguous splits: train, then valid, then test.

    Args:
        items: in their order.
        weights: weight of each item, such as its characters. The cuts come as close as possible to the shares of the
            total weight; sizes of 1 and more count items instead.
        split: sizes of valid and test.
        unit: what an item is, in the plural, for errors.

    Raises:
        AnamnesisError: a split would be empty.
    """
    if len(items) < 3:
        raise AnamnesisError(f"{len(items)} {unit}: three splits need at least 3; one would be empty")
    if split.valid >= 1 or split.test >= 1:
        valid, test = sizes(len(items), split, unit)
        second = len(items) - test
        first = second - valid
    else:
        ends = [0]
        for weight in weights:
            ends.append(ends[-1] + weight)
        second = _nearest(ends, ends[-1] * (1 - split.test), 2, len(items) - 1)
        first = _nearest(ends, ends[-1] * (1 - split.test - split.valid), 1, second - 1)
    return {"train": list(items[:first]), "valid": list(items[first:second]), "test": list(items[second:])}


def _nearest(ends: list[int], target: float, low: int, high: int) -> int:
    return min(range(low, high + 1), key=lambda index: (abs(ends[index] - target), index))


def draw(
    items: Sequence[Item],
    split: Draw,
    unit: str,
    *,
    keys: Callable[[Item], Iterable[Hashable]],
    weight: Callable[[Item], int] = lambda item: 1,
    stratum: Callable[[Item], Hashable] = lambda item: None,
    names: tuple[SplitName, ...] = ("test", "valid"),
) -> "Splits[Item]":
    """Random splits that never separate items which share a key, directly or through other items.

    Items that share keys form a group. Within each stratum, test and then valid take groups in random order until they
    have their share of the stratum's weight; train gets the rest. A split skips a group that would bring it further
    from its share, so that it takes at most twice its share. A split that no stratum gives anything takes its share of
    all groups together; if that is nothing, half of the groups of the other split; and if the other split has only
    one group, the group whose weight is closest to its share. If nothing is left for train, it gets half of the groups
    of another split. Every split keeps the order of `items`.

    Args:
        items: the items to split.
        split: sizes (a share of the weight, or a weight) and seed.
        unit: what an item is, in the plural, for errors.
        keys: what two splits must not share, such as the normalised text.
        weight: weight of an item.
        stratum: class of an item; each class is divided in the same proportion. A group has the class of its first
            item.
        names: the splits to draw; without "test" where the source publishes a test split.

    Raises:
        AnamnesisError: a split would be empty.
    """
    groups = _connect(items, keys)
    weights = [sum(weight(items[index]) for index in group) for group in groups]
    strata: dict[Hashable, list[int]] = {}
    for number, group in enumerate(groups):
        strata.setdefault(stratum(items[group[0]]), []).append(number)
    total = sum(weights)
    chosen: dict[SplitName, list[int]] = {name: [] for name in names}
    generator = random.Random(split.seed)
    wanted = {"valid": split.valid, "test": split.test}
    shares = {name: wanted[name] if wanted[name] < 1 else wanted[name] / max(total, 1) for name in names}
    for members in strata.values():
        generator.shuffle(members)
        available = sum(weights[number] for number in members)
        for name in names:
            taken = _take(shares[name] * available, members, weights)
            chosen[name] += taken
            members = _without(members, taken)

    def remaining() -> list[int]:
        return _without(list(range(len(groups))), list(chain(*chosen.values())))

    for name in names:
        if chosen[name]:
            continue
        left = remaining()
        generator.shuffle(left)
        share = shares[name] * total
        other = max(chosen.values(), key=len)
        chosen[name] = _take(share, left, weights)
        if not chosen[name] and len(other) > 1:
            chosen[name] = other[1::2]
            del other[1::2]
        elif not chosen[name]:
            chosen[name] = sorted(left, key=lambda number: abs(weights[number] - share))[:1]
    if not remaining():
        del max(chosen.values(), key=len)[1::2]
    owners = {index: name for name in names for number in chosen[name] for index in groups[number]}
    result: Splits[Item] = {name: [] for name in ("train", *names)}
    for index, item in enumerate(items):
        result[owners.get(index, "train")].append(item)
    for name, members_of_split in result.items():
        if not members_of_split:
            raise AnamnesisError(f"{len(items):,} {unit} in {len(groups):,} groups: the {name} split would be empty")
    return result


def _take(wanted: float, members: list[int], weights: list[int]) -> list[int]:
    """The groups among `members`, in their order, that bring a split closer to the wanted weight."""
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
    removed = set(taken)
    return [number for number in members if number not in removed]


def _connect(items: Sequence[Item], keys: Callable[[Item], Iterable[Hashable]]) -> list[list[int]]:
    """Groups of indices; two items with a common key are in the same group (union-find)."""
    parent = list(range(len(items)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[Hashable, int] = {}
    for index, item in enumerate(items):
        for key in keys(item):
            one, other = root(index), root(first.setdefault(key, index))
            parent[max(one, other)] = min(one, other)
    groups: dict[int, list[int]] = {}
    for index in range(len(items)):
        groups.setdefault(root(index), []).append(index)
    return list(groups.values())


def complete(
    published: "Splits[Item]",
    split: Draw,
    unit: str,
    *,
    keys: Callable[[Item], Iterable[Hashable]],
    weight: Callable[[Item], int] = lambda item: 1,
    stratum: Callable[[Item], Hashable] = lambda item: None,
) -> tuple["Splits[Item]", int]:
    """All three splits, where the source publishes one or more of them; the missing ones are drawn from train.

    Three published splits stay as they are. Otherwise train first loses the items that share a key with a published
    split.

    Args:
        published: the items of each split that the source names.
        split, unit, keys, weight, stratum: as for `draw`.

    Returns:
        The splits, and how many items train lost.

    Raises:
        AnamnesisError: a split would be empty.
    """
    if set(published) == set(SPLITS):
        check_not_empty(published)
        return published, 0
    train = published.get("train", [])
    fixed: Splits[Item] = {name: items for name, items in published.items() if name != "train"}
    known = {key for items in fixed.values() for item in items for key in keys(item)}
    left = [item for item in train if not known.intersection(keys(item))]
    names: tuple[SplitName, ...] = tuple(name for name in SPLITS[:0:-1] if name not in fixed)
    result = draw(left, split, unit, keys=keys, weight=weight, stratum=stratum, names=names)
    return result | fixed, len(train) - len(left)


def check_not_empty(splits: "Splits[Item]") -> None:
    """Raise an AnamnesisError where a split has no items."""
    for name in SPLITS:
        if not splits[name]:
            raise AnamnesisError(f"the {name} split would be empty")
