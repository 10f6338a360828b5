"""Scores of captions: exact matches and wrong letters."""

from collections.abc import Sequence


def edits(captions: Sequence[str], references: Sequence[str]) -> list[int]:
    """The edit distance of each caption from its reference, in inserted, deleted and replaced letters
    (Levenshtein 1966)."""
    from torchmetrics.functional.text import edit_distance

    return [int(each) for each in edit_distance(list(captions), list(references), reduction="none")]


def exact_match(captions: Sequence[str], references: Sequence[str]) -> float:
    """The share of captions that equal their references, letter for letter."""
    return sum(one == other for one, other in zip(captions, references, strict=True)) / len(references)


def character_error_rate(captions: Sequence[str], references: Sequence[str]) -> float:
    """All edits divided by the letters of all references; above 1 where captions are much too long."""
    return sum(edits(captions, references)) / sum(map(len, references))
