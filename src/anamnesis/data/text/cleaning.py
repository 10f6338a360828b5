"""The form in which a sentence is stored, and in which one that is to be translated is read."""

import re
import unicodedata

# Control characters but for white space; soft hyphens, zero-width spaces, marks of direction and the like, which nobody
# sees. The joiners U+200C and U+200D stay: they change how what is around them is written.
HIDDEN = re.compile(
    "[\\x00-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u206f\\ufeff]"
)


def clean(sentence: str) -> str:
    """The sentence in Unicode's normal form C, without characters that nobody sees, white space collapsed."""
    return " ".join(unicodedata.normalize("NFC", HIDDEN.sub("", sentence)).split())
