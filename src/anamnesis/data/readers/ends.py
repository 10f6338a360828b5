"""Splits that hold out the ends of the longer texts of a collection."""

import re

from anamnesis.data.readers.splits import Cut, Splits, normalise, sizes
from anamnesis.errors import AnamnesisError

# The end of a sentence, with closing quotes and brackets and the white space after it; or a blank line.
SENTENCE = re.compile(r"""[.!?…][’”"')\]_]*\s+|[。！？][”’」』）]*\s*|\n\s*\n\s*""")
SPACE = re.compile(r"\s+")


def hold_out_ends(texts: list[str], split: Cut, longer_than: int, unit: str) -> tuple[Splits[str], int]:
    """Train, valid and test, where valid and test are the last parts of the texts longer than `longer_than`.

        a longer text   [ train ......................... | valid | test ]
        a shorter one   [ train ........... ]

    Each longer text is cut in proportion to its length, at the closest sentence ends; a text without sentences is cut
    at a space, or else at the exact place. Of equal texts (`normalise`) only the first counts. Every split keeps the
    order of `texts`.

    Args:
        texts: in canonical form, each ending with one LF.
        split: sizes of valid and test.
        longer_than: characters; a text that is not longer belongs to train.
        unit: what a text is, in the plural, for errors.

    Returns:
        The splits, and how many copies were left out.

    Raises:
        AnamnesisError: no text is long enough, or nothing of the longer texts would be left for train.
    """
    first_copies: dict[str, str] = {}
    for text in texts:
        first_copies.setdefault(normalise(text), text)
    unique = list(first_copies.values())
    long = [len(text) for text in unique if len(text) > longer_than]
    if not long:
        raise AnamnesisError(
            f"split.longer_than: found {longer_than}; allowed: less than {max(map(len, unique)):,}, the characters "
            f"of the longest of the {unit}; no end would be held out"
        )
    valid, test = sizes(sum(map(len, unique)), split, "characters")
    if valid + test >= sum(long):
        raise AnamnesisError(
            f"the {len(long)} {unit} longer than {longer_than:,} characters have {sum(long):,}, of which valid takes "
            f"{valid:,} and test {test:,}: nothing of them would be left for train"
        )
    result: Splits[str] = {"train": [], "valid": [], "test": []}
    for text in unique:
        if len(text) <= longer_than:
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
    return result, len(texts) - len(unique)


def nearest_end(text: str, target: int, low: int, high: int) -> int:
    """The offset in [low, high) closest to `target` after a sentence, or else after a space; otherwise `target`."""
    for pattern in (SENTENCE, SPACE):
        places = [match.end() for match in pattern.finditer(text) if low <= match.end() < high]
        if places:
            return min(places, key=lambda place: abs(place - target))
    return min(max(target, low), high - 1)
