"""Cutting a text into sentences, and a sentence into words and marks.

- In a language with spaces, a sentence ends at a blank line, or at a run of `. ! ? …`, with any closing quotes and
  brackets after it, if white space follows and then no lower-case letter. In English, the full stop of a title (Mr.,
  Dr., St.) or of an initial (J.) ends no sentence.
- In Chinese, a sentence ends at a line end, or at a run of `。 ！ ？`, with any closing quotes and brackets after it.
- With `sentences: lines`, each line is a sentence.

The line between two documents has only a form feed, which is white space: it ends a sentence by all three rules.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache

from anamnesis.data.text.blocks import Rule

# White space before the next piece matches from its last line ends: a match from the first one would take quadratic
# time in a long run of line ends.
_LINE = Rule(re.compile(r"\n[^\S\n]*+(?=\S)"))
_CHINESE = Rule(re.compile(r"""(?<![。！？!?])[。！？!?]++[”’」』）》〉】)"']*+\s*+(?=\S)|\n[^\S\n]*+(?=\S)"""))
_SPACED = re.compile(r"""(?<![.!?…])([.!?…]++)["'”’»)\]}_*]*+(\s++)(?=\S)|\n[^\S\n]*+\n[^\S\n]*+(?=\S)""")
_TITLE = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Mme|Mlle|Messrs|Dr|Prof|Rev|Hon|St|Capt|Col|Gen|Lt|Maj|Sgt|Jr|Sr|vs|Vol|No)|\b[A-HJ-Z])\Z"
)


def rule(language: str, sentences: str) -> Rule:
    """The rule for the ends of sentences in a language; `sentences` is punctuation or lines."""
    if sentences == "lines":
        return _LINE
    if language == "zh":
        return _CHINESE
    return Rule(_SPACED, _english_end if language == "en" else _end)


def _end(text: str, start: int, match: re.Match[str]) -> bool:
    marks, space = match.groups()
    return marks is None or space.count("\n") > 1 or not text[match.end()].islower()


def _english_end(text: str, start: int, match: re.Match[str]) -> bool:
    if not _end(text, start, match):
        return False
    marks, space = match.groups()
    if marks != "." or space.count("\n") > 1:
        return True
    return not _TITLE.search(text[max(start, match.start() - 12) : match.start()])


def words(language: str) -> Callable[[str], list[str]]:
    """The function that lists the words and marks of a sentence, never `<unk>`, `<s>` or `</s>`."""
    return _chinese() if language == "zh" else _compile_spaces().findall


@cache
def _compile_spaces() -> re.Pattern[str]:
    """A number; a word with its accents, vowel signs and inner apostrophes; a run of dashes or dots; any mark."""
    marks = "".join(chr(i) for i in range(0x300, 0x10000) if unicodedata.category(chr(i)).startswith("M"))
    # Equal to (letter marks*)+, without repeating a group for each letter. Atomic, because possessive groups are broken
    # in Python before 3.11.3: "5..." became "5." and "..".
    word = rf"(?>[^\W_]+(?:[{marks}\u200c\u200d]+[^\W_]*)*)"
    # The parts of a number are bounded: a letter after the last part makes each part a word, after which the rest is
    # tried again.
    return re.compile(rf"(?>\d+(?:[.,]\d+){{0,63}})(?![^\W\d_])|(?>{word}(?:['’]{word})*)|-+|\.\.+|\S")


@cache
def _chinese() -> Callable[[str], list[str]]:
    import logging
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jieba
    jieba.setLogLevel(logging.WARNING)
    segmenter = jieba.Tokenizer()
    # As `initialize` without its cache: anyone may write a marshal file in a shared temporary folder.
    segmenter.FREQ, segmenter.total = segmenter.gen_pfdict(segmenter.get_dict_file())
    segmenter.initialized = True

    # The training split is cut twice, to count and to encode: remember the sentences of a book.
    @lru_cache(maxsize=1 << 15)
    def remembered(sentence: str) -> list[str]:
        return [word for word in segmenter.lcut(sentence) if not word.isspace()]

    return lambda sentence: (remembered if len(sentence) <= 200 else remembered.__wrapped__)(sentence)
