"""Languages that put no spaces between words, and what a sentence is counted in."""

from collections.abc import Sequence

# ISO 639 codes. Words of Chinese can be told by jieba, those of the others by nothing here.
CHINESE = ("zh", "cmn", "lzh", "wuu", "yue", "zho")
UNSPACED = ("bo", "bod", "dz", "dzo", "ja", "jpn", "khm", "km", "lao", "lo", "my", "mya", "th", "tha")


def units(sentence: str, language: str) -> Sequence[str]:
    """What a sentence is counted in: the pieces between blanks; without spaces between words, the characters."""
    pieces = sentence.split()
    return "".join(pieces) if unit(language) == "characters" else pieces


def unit(language: str | None) -> str:
    """The name of what `units` counts."""
    return "characters" if language in (*CHINESE, *UNSPACED) else "words"
