"""Bits per character: the one score by which models with different tokens on the same text can be compared."""

from collections.abc import Callable
from math import log
from typing import Any


def bits_per_character_of(split: dict[str, Any], alphabet: int) -> Callable[[float], float]:
    """A function from the nats a model needs for all targets of a split to bits for each character of the text:

        (nats + unknown_characters * ln(alphabet)) / (characters * ln 2)

    An unknown token says little of the text it stands for, so a model would gain by knowing fewer words. The second
    term takes that gain away: it spells each unknown token out, every character of the alphabet being equally likely.
    Words do not pay for the white space between them, which a store of words does not hold.

    Args:
        split: the split's entry in stats.json.
        alphabet: number of different characters in the training split.
    """
    spelling = split["unknown_characters"] * log(alphabet)
    characters = split["characters"]
    return lambda nats: (nats + spelling) / (characters * log(2))
