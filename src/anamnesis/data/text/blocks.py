"""Reading a text of any size in blocks, and cutting it into pieces that do not depend on the size of a block."""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from anamnesis.errors import AnamnesisError

if TYPE_CHECKING:
    import numpy as np

BLOCK = 1 << 18
LONGEST = 1 << 16
CODEPOINTS = 0x110000


def blocks(
    path: Path, observe: Callable[[bytes], object] = len, size: int = BLOCK, name: str | None = None
) -> Iterator[str]:
    """The text of a UTF-8 file in non-empty blocks of at most `size` bytes, with unchanged line ends.

    Args:
        path: the file.
        observe: called with the bytes of each block, for a digest or a progress bar.
        size: bytes to read at once.
        name: the file's name in errors; None: the path.

    Raises:
        AnamnesisError: the file does not exist, or is not UTF-8.
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
        raise AnamnesisError(f"{path}: no such file; fetch the corpus first") from None
    except UnicodeDecodeError as error:
        place = done - len(error.object) + error.start
        byte = error.object[error.start]
        raise AnamnesisError(f"{name or path}: not UTF-8: byte {byte:#04x} at offset {place}") from None


def codepoints(text: str) -> "np.ndarray":
    """The Unicode code points of a text: uint32, shape (characters,)."""
    import numpy as np

    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


class Rule(NamedTuple):
    """A rule for where a piece of text ends: after a match that `accepts(text, start of the piece, match)`.

    The pattern must end with a lookahead for one more character, so that a match does not depend on the end of a block.
    """

    pattern: re.Pattern[str]
    accepts: Callable[[str, int, re.Match[str]], bool] = lambda text, start, match: True


def pieces(blocks: Iterable[str], rule: Rule, longest: int = LONGEST) -> Iterator[list[str]]:
    """The consecutive pieces of a text, some at a time; joined, they give the text.

    A piece longer than `longest` characters is cut after the last space or line end that fits, or else at that length,
    so that memory stays bounded.
    """
    buffer, start = "", 0
    for block in chain(blocks, [None]):
        buffer = buffer[max(start - 1, 0) :] + (block or "")  # one more character for the pattern's lookbehind
        start = min(start, 1)
        complete = []
        # A rule may look `longest` + 1 characters ahead, so wait for them or for the end of the text.
        while start < len(buffer) and (block is None or len(buffer) - start > longest):
            end = _end(buffer, start, rule, longest)
            complete.append(buffer[start:end])
            start = end
        if complete:
            yield complete


def _end(text: str, start: int, rule: Rule, longest: int) -> int:
    for match in rule.pattern.finditer(text, start, start + longest + 1):
        if rule.accepts(text, start, match):
            return match.end()
    if len(text) - start <= longest:
        return len(text)
    space = max(text.rfind(" ", start, start + longest), text.rfind("\n", start, start + longest))
    return space + 1 if space >= 0 else start + longest


LINES = Rule(re.compile(r"\n(?=[\s\S])"))
