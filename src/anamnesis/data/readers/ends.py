"""Holding out the ends of the longer texts of a collection."""

import re

from anamnesis.data.readers.splits import amounts, normalise
from anamnesis.data.settings import SplitName, StoryDraw
from anamnesis.errors import AnamnesisError

# Where a sentence ends, with the quotes and brackets it closes and the white space after it; or a blank line.
SENTENCE = re.compile(r"""[.!?…][’”"')\]_]*\s+|[。！？][”’」』）]*\s*|\n\s*\n\s*""")
SPACE = re.compile(r"\s+")


def held_out(texts: list[str], split: StoryDraw, unit: str) -> tuple[dict[SplitName, list[str]], int]:
    """Train, valid and test, where of every text longer than `split.longer_than` the last part is held out.

        a longer text   [ train ......................... | valid | test ]
        a shorter one   [ train ........... ]

    Valid and test get their sizes from the longer texts in proportion to their lengths, cut at the sentence ends that
    are nearest; a text without any is cut at a blank, or where it has none, just there. Of texts that are the same but
    for case and white space only the first is used. Every split keeps the order of `texts`.

    Args:
        texts: in canonical form, with one LF at the end.
        split: sizes, and from which length on an end is held out.
        unit: what a text is, for errors.

    Returns:
        The splits, and how many texts were left out as copies.

    Raises:
        AnamnesisError: no text is long enough, or nothing of the long ones would be left.
    """
    assert split.longer_than is not None
    firsts: dict[str, str] = {}
    for text in texts:
        firsts.setdefault(normalise(text), text)
    different = list(firsts.values())
    long = [len(text) for text in different if len(text) > split.longer_than]
    if not long:
        raise AnamnesisError(
            f"split.longer_than: found {split.longer_than}; allowed: less than {max(map(len, different)):,}, the "
            f"characters of the longest of the {unit}; no end would be held out"
        )
    valid, test = amounts(sum(map(len, different)), split, "characters")
    if valid + test >= sum(long):
        raise AnamnesisError(
            f"the {len(long)} {unit} longer than {split.longer_than:,} characters have {sum(long):,}, of which valid "
            f"takes {valid:,} and test {test:,}: nothing of them would be left for train"
        )
    result: dict[SplitName, list[str]] = {"train": [], "valid": [], "test": []}
    for text in different:
        if len(text) <= split.longer_than:
            result["train"].append(text)
            continue
        last = len(text.rstrip())
        second = nearest_end(text, round(last * (1 - test / sum(long))), 2, last)
        first = nearest_end(text, round(last * (1 - (valid + test) / sum(long))), 1, second)
        pieces = [text[:first], text[first:second], text[second:]]
        if not all(piece.strip() for piece in pieces):
            raise AnamnesisError(f"a text of {len(text):,} characters is too short to hold out its end")
        for name, piece in zip(result, pieces, strict=True):
            result[name].append(piece.strip("\n").rstrip() + "\n")
    return result, len(texts) - len(different)


def nearest_end(text: str, target: int, low: int, high: int) -> int:
    """The place in [low, high) after a sentence end, else after a blank, that is nearest to `target`; else `target`."""
    for pattern in (SENTENCE, SPACE):
        places = [match.end() for match in pattern.finditer(text) if low <= match.end() < high]
        if places:
            return min(places, key=lambda place: abs(place - target))
    return min(max(target, low), high - 1)
