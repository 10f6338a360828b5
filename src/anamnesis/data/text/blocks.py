"""Reading a text of any size in blocks, and cutting the blocks at places that do not depend on where a block ends."""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anamnesis.errors import AnamnesisError

BLOCK = 1 << 18
LONGEST = 1 << 16
CODEPOINTS = 0x110000


def blocks(path: Path, observe: Callable[[bytes], object] = len, size: int = BLOCK) -> Iterator[str]:
    """The text of a UTF-8 file in non-empty pieces of at most `size` bytes, line ends as they are.

    `observe` sees the raw bytes of each block: a digest or a progress bar.

    Raises:
        AnamnesisError: there is no such file, or it is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    done = 0
    try:
        with open(path, "rb") as file:
            for data in chain(iter(lambda: file.read(size), b""), [b""]):
                done += len(data)
                observe(data)
                if text := decoder.decode(data, final=not data):
                    yield text
    except FileNotFoundError:
        raise AnamnesisError(f"{path}: there is no such file; fetch the corpus first") from None
    except UnicodeDecodeError as error:
        place = done - len(error.object) + error.start
        raise AnamnesisError(f"{path}: not UTF-8: byte {error.object[error.start]:#04x} at offset {place}") from None


def codepoints(text: str) -> np.ndarray:
    """The Unicode code points of a text: uint32, shape (characters,)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


class Rule(NamedTuple):
    """Where a piece of text ends: at the end of a match that is accepted, given the text and the piece's start.

    The pattern must end in a lookahead for one more character, so that a match never depends on where a block ends.
    """

    pattern: re.Pattern[str]
    accepts: Callable[[str, int, re.Match[str]], bool] = lambda text, start, match: True


def pieces(blocks: Iterable[str], rule: Rule, longest: int = LONGEST) -> Iterator[list[str]]:
    """Lists of the consecutive pieces of a text, which together are the text, whatever the blocks it comes in.

    A piece longer than `longest` characters is cut after the last space or line end that fits, or else just there:
    memory stays bounded whatever the text.
    """
    buffer, start = "", 0
    for block in chain(blocks, [None]):
        buffer = buffer[max(start - 1, 0) :] + (block or "")  # one character before, for the pattern's lookbehind
        start = min(start, 1)
        found = []
        # A decision may look `longest` + 1 characters ahead, so it waits until they are there or the text is over.
        while start < len(buffer) and (block is None or len(buffer) - start > longest):
            end = _end(buffer, start, rule, longest)
            found.append(buffer[start:end])
            start = end
        if found:
            yield found


def _end(text: str, start: int, rule: Rule, longest: int) -> int:
    for match in rule.pattern.finditer(text, start, start + longest + 1):
        if rule.accepts(text, start, match):
            return match.end()
    if len(text) - start <= longest:
        return len(text)
    space = max(text.rfind(" ", start, start + longest), text.rfind("\n", start, start + longest))
    return space + 1 if space >= 0 else start + longest


LINES = Rule(re.compile(r"\n(?=[\s\S])"))
