"""The canonical form of a sentence, in a corpus and in a text to translate."""

import re
import unicodedata

# Control characters except white space, and invisible ones such as soft hyphens, zero-width spaces and marks of
# direction. The joiners U+200C and U+200D stay: they change the form of their neighbours.
HIDDEN = re.compile(
    "[\\x00-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u206f\\ufeff]"
)


def clean(sentence: str) -> str:
    """The sentence in Unicode's normal form C, without invisible characters, with single spaces as white space."""
    return " ".join(unicodedata.normalize("NFC", HIDDEN.sub("", sentence)).split())
