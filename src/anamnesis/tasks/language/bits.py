"""Bits per character: the one score by which models with different tokens on the same text can be compared."""

from collections.abc import Callable
from math import log
from typing import Any

from anamnesis.data.text.blocks import CODEPOINTS
from anamnesis.data.text.leftovers import spelling


def bits_per_character_of(split: dict[str, Any], alphabet: int) -> Callable[[float], float]:
    """A function from the nats a model needs for all targets of a split to bits for each character of the text:

        (nats + price of what the tokens leave out) / (characters * ln 2)

    Args:
        split: the split's entry in stats.json.
        alphabet: number of different characters in the training split.
    """
    price, characters = price_of(split, alphabet), split["characters"]
    return lambda nats: (nats + price) / (characters * log(2))


def price_of(split: dict[str, Any], alphabet: int) -> float:
    """What it costs to say what the tokens of a split leave out of its text, in nats.

    Tokens that say less of a text are easier to foresee, so a model would gain by knowing fewer words, or by reading
    them in lower case. This price takes the gain away, with a code that could be decoded, given the training split:

    - each unknown token is spelled out (`leftovers.spelling`), of words up to and with an end;
    - of words, `leftover_nats`: white space, capital letters that `lower` and marks that `delete` took away;
    - each character that the training split never holds is one of all code points.

    Args:
        split: the split's entry in stats.json.
        alphabet: number of different characters in the training split.
    """
    words = split["unknown_tokens"] if "leftover_nats" in split else 0
    spelled = spelling(split["unknown_characters"], words, alphabet)
    return spelled + split.get("leftover_nats", 0.0) + split.get("unseen_characters", 0) * log(CODEPOINTS)
