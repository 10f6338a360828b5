"""The strings that the ids of words leave out of a text, and the cost of coding them.

`decode` puts one space or none before a word, whatever the text has there; `lower` drops the case of letters, `delete`
drops marks. Together, the ids and the strings that this module lists determine the text:

    text                  It  was--"So!"\\n\\n  He
    words, lower: true    it was -- " so ! "   he
    left over: spaces         "  "                    "\\n\\n  "
               capitals   Aa         Aa       Aa

Each string has a context, such as the string that `decode` puts there. The training split gives the probability of a
string in its context; a string that the training split does not have there is announced by an escape, and spelled. So
the probabilities of all strings sum to one in each context, and do not depend on the text that is scored.
"""

import re
from collections import Counter
from collections.abc import Iterator
from math import fsum, log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anamnesis.data.tokenizers.words import Words

Leftover = tuple[str, str]
"""A context, and the string in the text."""

INSIDE = "inside a word"
FIRST, LATER = "first word", "later word"
LOWER, CAPITAL, UPPER = "aa", "Aa", "AA"


class Leftovers:
    """Counts the strings that the ids of words leave out, sentence by sentence.

    Attributes:
        counts: occurrences of each string in each context.
    """

    def __init__(self, tokenizer: "Words") -> None:
        self.tokenizer = tokenizer
        self.counts: Counter[Leftover] = Counter()
        self._pending = ""

    def read(self, sentence: str, words: list[str]) -> None:
        """Count the strings of a sentence.

        Args:
            sentence: the piece of text, with the white space around it.
            words: its words in their original case; may be empty.
        """
        self.counts.update(self.list_leftovers(sentence, words))

    def finish(self) -> None:
        """Count the string after the last word of the text."""
        self.counts.update(self.rest())

    def list_leftovers(self, sentence: str, words: list[str]) -> Iterator[Leftover]:
        """The strings of a sentence in order: for each word the string before it, its case, and the marks inside."""
        if not words:
            self._pending += sentence
            return
        separator = self.tokenizer.separator()
        expected, first, end = "\n", True, 0
        for word, start, stop, inside in self._places(sentence, words):
            token = word.lower() if self.tokenizer.lower else word
            between = separator(token)
            yield (expected or between), self._pending + sentence[end:start]
            expected, self._pending, end = "", "", stop
            if self.tokenizer.lower and (word != token or token != token.upper()):
                yield (FIRST if first else LATER), _capitals(word, token)
                first = False
            # Last, because the number of characters of a word may depend on their case.
            yield from inside
        self._pending = sentence[end:]

    def rest(self) -> Iterator[Leftover]:
        """The string after the last word of the text."""
        yield "\n", self._pending
        self._pending = ""

    def _places(self, sentence: str, words: list[str]) -> Iterator[tuple[str, int, int, list[Leftover]]]:
        """Each word, its start and end, and the deleted marks between its characters."""
        delete = self.tokenizer.delete
        if not delete:
            end = 0
            for word in words:
                start = sentence.index(word, end)
                end = start + len(word)
                yield word, start, end, []
            return
        marks = re.compile(f"[{re.escape(delete)}]*")
        chunks = (match for match in re.finditer(r"\S+", sentence) if match.group().strip(delete))
        for match, word in zip(chunks, words, strict=True):
            core = match.group().strip(delete)
            start = match.start() + len(match.group()) - len(match.group().lstrip(delete))
            inside: list[Leftover] = []
            place = 1
            while place < len(core):
                if len(core) - place == len(word) - len(inside) - 1:
                    inside += [(INSIDE, "")] * (len(core) - place)
                    break
                between = marks.match(core, place)
                assert between is not None
                inside.append((INSIDE, between.group()))
                place = between.end() + 1
            yield word, start, start + len(core), inside


def _capitals(word: str, token: str) -> str:
    """The case of a word: one of three usual patterns, or else the word itself."""
    if word == token:
        return LOWER
    if word == token[:1].upper() + token[1:]:
        return CAPITAL
    return UPPER if word == token.upper() else word


def nats(counts: Counter[Leftover], training: Counter[Leftover], alphabet: int) -> float:
    """The cost of coding the leftovers of a split, in nats.

    A string with n occurrences among the N strings of its context in the training split has probability n / (N + 1);
    the escape has 1 / (N + 1), and `spelling` follows it.

    Args:
        counts: of the split.
        training: of the training split.
        alphabet: number of different characters in the training split.
    """
    totals: Counter[str] = Counter()
    for (context, _), number in training.items():
        totals[context] += number
    return fsum(
        number
        * (
            log(totals[leftover[0]] + 1)
            - log(training[leftover] or 1)
            + (0 if leftover in training else spelling(len(leftover[1]), 1, alphabet))
        )
        for leftover, number in sorted(counts.items())
    )


def spelling(characters: int, strings: int, alphabet: int) -> float:
    """The cost of spelling strings, in nats.

    The characters of the alphabet, the end of a string, and "a character that the training split does not have" are
    equally likely; the identity of such characters costs once for a split, as `unseen_characters` of stats.json.

    Args:
        characters: of all strings together.
        strings: their number; 0 where their lengths are known.
        alphabet: number of different characters in the training split.
    """
    return (characters + strings) * log(alphabet + 2)
