"""What the ids of words leave out of a text, and what it costs to say that as well.

Words are ids of their own; the text around them is not. `decode` puts one space or none before a word, and forgets what
stood there; `lower` forgets which letters were capital, `delete` forgets marks. Between them the ids and the strings
that this module lists say the text exactly:

    text                  It  was--"So!"\\n\\n  He
    words, lower: true    it was -- " so ! "   he
    left over: spaces         "  "                    "\\n\\n  "
               capitals   Aa         Aa       Aa

Each string has a context, such as what `decode` would put in its place. How likely a string is in its context is
counted on the training split; one that the training split never holds there is announced by an escape, and spelled. So
the probabilities of all strings sum to one in each context, and none depends on the text that is scored.
"""

import re
from collections import Counter
from collections.abc import Iterator
from math import fsum, log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anamnesis.data.tokenizers.words import Words

Leftover = tuple[str, str]
"""A context, and the string that stood there."""

INSIDE = "inside a word"
FIRST, LATER = "first word", "later word"
LOWER, CAPITAL, UPPER = "aa", "Aa", "AA"


class Leftovers:
    """Collects the strings that the ids of a text's words leave out, sentence by sentence.

    Attributes:
        counts: how often each string stood in each context.
    """

    def __init__(self, tokenizer: "Words") -> None:
        self.tokenizer = tokenizer
        self.counts: Counter[Leftover] = Counter()
        self._held = ""

    def read(self, sentence: str, words: list[str]) -> None:
        """Count what a sentence leaves over.

        Args:
            sentence: the whole piece of text, with the white space around it.
            words: its words as it was cut, before `lower`; none where it holds none.
        """
        self.counts.update(self.listed(sentence, words))

    def finish(self) -> None:
        """Count what stood after the last word of all."""
        self.counts.update(self.rest())

    def listed(self, sentence: str, words: list[str]) -> Iterator[Leftover]:
        """What a sentence leaves over, in its order: of each word the string before it, and then its own."""
        if not words:
            self._held += sentence
            return
        separator = self.tokenizer.separator()
        expected, first, end = "\n", True, 0
        for word, start, stop, inside in self._places(sentence, words):
            kept = word.lower() if self.tokenizer.lower else word
            between = separator(kept)
            yield (expected or between), self._held + sentence[end:start]
            expected, self._held, end = "", "", stop
            if self.tokenizer.lower and (word != kept or kept != kept.upper()):
                yield (FIRST if first else LATER), _capitals(word, kept)
                first = False
            # Last, because how many characters the word has may depend on their case.
            yield from inside
        self._held = sentence[end:]

    def rest(self) -> Iterator[Leftover]:
        """What stands after the last word of all."""
        yield "\n", self._held
        self._held = ""

    def _places(self, sentence: str, words: list[str]) -> Iterator[tuple[str, int, int, list[Leftover]]]:
        """Each word, where it begins and ends, and the deleted marks between its characters."""
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
            # After each character of the word but the last.
            inside: list[Leftover] = []
            place = 1
            while place < len(core):
                if len(core) - place == len(word) - len(inside) - 1:
                    # No mark is left.
                    inside += [(INSIDE, "")] * (len(core) - place)
                    break
                found = marks.match(core, place)
                assert found is not None
                inside.append((INSIDE, found.group()))
                place = found.end() + 1
            yield word, start, start + len(core), inside


def _capitals(word: str, kept: str) -> str:
    """Which letters of a word are capital: one of three usual patterns, or else the word itself."""
    if word == kept:
        return LOWER
    if word == kept[:1].upper() + kept[1:]:
        return CAPITAL
    return UPPER if word == kept.upper() else word


def nats(counts: Counter[Leftover], training: Counter[Leftover], alphabet: int) -> float:
    """What it costs to say the leftovers of a split, in nats.

    A string that stood n times in its context in the training split, among N strings there, has probability
    n / (N + 1); the escape has 1 / (N + 1), and `spelling` follows it.

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
    """What it costs to spell strings, in nats.

    Every character of the alphabet, the end of a string, and "a character that the training split never holds" are
    equally likely; which one that is, is charged once for a split, as `unseen_characters` of stats.json.

    Args:
        characters: of all strings together.
        strings: how many there are; 0 where their lengths are known.
        alphabet: number of different characters in the training split.
    """
    return (characters + strings) * log(alphabet + 2)
