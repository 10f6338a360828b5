"""Languages without spaces between words, and the unit in which a sentence is counted."""

from collections.abc import Sequence

# ISO 639 codes. jieba separates words of Chinese; nothing here separates those of the other languages.
CHINESE = ("zh", "cmn", "lzh", "wuu", "yue", "zho")
UNSPACED = ("bo", "bod", "dz", "dzo", "ja", "jpn", "khm", "km", "lao", "lo", "my", "mya", "th", "tha")


def units(sentence: str, language: str) -> Sequence[str]:
    """The units of a sentence: its pieces between spaces, or its characters in a language without spaces."""
    pieces = sentence.split()
    return "".join(pieces) if unit(language) == "characters" else pieces


def unit(language: str | None) -> str:
    """The name of the unit of a language: words or characters."""
    return "characters" if language in (*CHINESE, *UNSPACED) else "words"
