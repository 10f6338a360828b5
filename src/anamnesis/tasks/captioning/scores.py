"""How near captions come to what is shown: exact matches and letters wrong."""

from collections.abc import Sequence


def edits(found: Sequence[str], references: Sequence[str]) -> list[int]:
    """The least letters to insert, delete or replace that make each caption its reference (Levenshtein 1966)."""
    from torchmetrics.functional.text import edit_distance

    return [int(each) for each in edit_distance(list(found), list(references), reduction="none")]


def exact_match(found: Sequence[str], references: Sequence[str]) -> float:
    """The share of captions that are their references, letter for letter."""
    return sum(one == other for one, other in zip(found, references, strict=True)) / len(references)


def character_error_rate(found: Sequence[str], references: Sequence[str]) -> float:
    """Edits for each letter of the references, over all of them together; above 1 where much is to be deleted."""
    return sum(edits(found, references)) / sum(map(len, references))
