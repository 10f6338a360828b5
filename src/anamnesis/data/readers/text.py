"""Running text: any UTF-8 file to canonical text and contiguous splits, in bounded memory however long the text is.

Canonical text is UTF-8 with LF line ends and without a byte-order mark. A line that holds only a form feed
separates documents.
"""

import codecs
import io
import json
import mmap
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from anamnesis.data.readers.splits import NAMES, amounts
from anamnesis.data.settings import Book, Cut, SplitName
from anamnesis.data.sources.sources import Part
from anamnesis.errors import AnamnesisError

BLOCK = 2**20
SEPARATOR = "\f\n"
# Project Gutenberg wraps its books in these; everything outside them is its licence, not the book.
START = re.compile(rb"^\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*\n", re.MULTILINE | re.IGNORECASE)
END = re.compile(
    rb"^(?:\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG|End of (?:the |this )?Project Gutenberg)", re.M | re.I
)


def decoded(path: Path, name: str) -> Iterator[str]:
    """The text of a UTF-8 file in blocks, line ends turned to LF, a byte-order mark left out.

    Raises:
        AnamnesisError: the bytes are not UTF-8; says at which offset.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    offset = 0
    with open(path, "rb") as file:
        while True:
            block = file.read(BLOCK)
            pending = len(decoder.getstate()[0])
            try:
                text = newlines.decode(decoder.decode(block, not block), not block)
            except UnicodeDecodeError as error:
                place = offset - pending + error.start
                raise AnamnesisError(f"{name}: not UTF-8: the byte at offset {place} cannot be read") from None
            if offset == 0:
                text = text.removeprefix("\ufeff")
            offset += len(block)
            yield text
            if not block:
                return


def without(blocks: Iterable[str], left_out: re.Pattern[str]) -> Iterator[str]:
    """A canonical text that comes in blocks, without the lines that a pattern fits from end to end."""
    parts: list[str] = []  # of a line whose end is not there yet
    for block in blocks:
        *lines, rest = block.split("\n")
        if lines:
            lines[0] = "".join((*parts, lines[0]))
            parts = []
            yield "".join(f"{each}\n" for each in lines if not left_out.fullmatch(each))
        parts.append(rest)
    line = "".join(parts)
    if not left_out.fullmatch(line):
        yield line


def whole(part: Part) -> str:
    """The canonical text of a file that fits into memory. Raises as `decoded`."""
    return "".join(decoded(part.path, part.name))


def json_of(part: Part) -> Any:
    """The content of a JSON file that fits into memory.

    Raises:
        AnamnesisError: it is not UTF-8 or not JSON, its brackets are too deep, or it has half of a character.
    """
    try:
        content = json.loads(whole(part))
        # Half a character can be in no file of UTF-8.
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise AnamnesisError(f"{part.name}: found {half}, half of a character; allowed: both halves") from None
    except RecursionError:
        raise AnamnesisError(f"{part.name}: too many brackets inside each other") from None
    except ValueError as error:
        raise AnamnesisError(f"{part.name}: not valid JSON: {error}") from None
    return content


def read(corpus: Book, parts: list[Part], folder: Path) -> dict[str, Any]:
    """Write `train.txt`, `valid.txt` and `test.txt`.

    One part is cut contiguously: the three files joined are the text. Parts that are named as splits stay as they are;
    a split that none is named as is cut from the end of train.

    Returns:
        The counts of each split.

    Raises:
        AnamnesisError: bytes are not UTF-8, a marker is not there, the text is too short, or a split would be empty.
    """
    given: dict[SplitName | None, Part] = {}
    for part in parts:
        if part.split in given or (part.split is None and len(parts) > 1):
            raise AnamnesisError(f"{part.name}: `reader: text` takes one file, or one for each split")
        given[part.split] = part
    if None not in given and "train" not in given:
        raise AnamnesisError("the source names no file as the train split")
    main: SplitName | None = None if None in given else "train"
    missing = [name for name in NAMES[1:] if name not in given]
    for split, part in given.items():
        target = folder / f"{split or 'train'}.txt"
        _canonical(part, target, corpus, corpus.limit)
        if split == main:
            length = characters(target)
            if length < corpus.minimum:
                problem = "the text is empty" if not length else f"only {length:,} characters"
                raise AnamnesisError(f"{part.name}: {problem}; at least {corpus.minimum:,} are needed")
            if missing:
                cut(target, folder, length, corpus.split, missing)
        elif not target.stat().st_size:
            raise AnamnesisError(f"{part.name}: the file is empty, so the {split} split would be empty")
    return {name: count(folder / f"{name}.txt") for name in NAMES}


def _canonical(part: Part, target: Path, corpus: Book, limit: int | None) -> None:
    """Write the part's text between its markers, and at most `limit` characters of it, to `target`."""
    raw = target.with_suffix(".whole")
    with open(raw, "wb") as file:
        blocks = decoded(part.path, part.name)
        for block in blocks if corpus.leave_out is None else without(blocks, re.compile(corpus.leave_out)):
            file.write(block.encode())
    with open(raw, "rb") as file:
        if not raw.stat().st_size:
            first, end, data = 0, 0, None
        else:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            first, end = _between(data, part.name, corpus)
        with open(target, "wb") as out:
            left = limit
            decoder = codecs.getincrementaldecoder("utf-8")()
            for start in range(first, end, BLOCK):
                assert data is not None
                block = decoder.decode(data[start : min(start + BLOCK, end)])
                out.write(block[:left].encode())
                if left is not None:
                    left -= min(left, len(block))
                    if not left:
                        break
        if data is not None:
            data.close()
    raw.unlink()


def _between(data: mmap.mmap, name: str, corpus: Book) -> tuple[int, int]:
    """The bytes (first, end) of the text proper: between the corpus's markers, else inside Gutenberg's."""
    first, end = 0, len(data)
    if licence := START.search(data):
        first = licence.end()
        if close := END.search(data, first):
            end = close.start()
        while first < end and data[first : first + 1].isspace():
            first += 1
        while end > first and data[end - 1 : end].isspace():
            end -= 1
    if corpus.begin is not None:
        first = data.find(corpus.begin.encode(), first, end)
        if first < 0:
            raise AnamnesisError(f"{name}: the text to begin with, {corpus.begin!r}, is not in it")
    if corpus.end is not None:
        place = data.find(corpus.end.encode(), first, end)
        if place < 0:
            raise AnamnesisError(f"{name}: the text to end with, {corpus.end!r}, is not in it")
        end = place + len(corpus.end.encode())
    return first, end


def cut(path: Path, folder: Path, length: int, split: Cut, missing: list[SplitName]) -> None:
    """Move the end of the text at `path`, which has `length` characters, into the missing splits' files in `folder`.

    Raises:
        AnamnesisError: a split would be empty.
    """
    sizes = dict(zip(NAMES[1:], amounts(length, split, "characters"), strict=True))
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = len(data)
        starts: dict[SplitName, tuple[int, int]] = {}
        for name in reversed(missing):
            start = boundary(data, before(data, end, sizes[name]), end)
            if not 0 < start < end:
                raise AnamnesisError(f"{length:,} characters: the {name} split would be empty")
            starts[name] = (start, end)
            end = start
        for name, (start, stop) in starts.items():
            with open(folder / f"{name}.txt", "wb") as out:
                for place in range(start, stop, BLOCK):
                    out.write(data[place : min(place + BLOCK, stop)])
    os.truncate(path, end)


def before(data: Any, end: int, number: int) -> int:
    """The offset in UTF-8 text that lies `number` characters before the offset `end`; 0 where there are fewer."""
    while number and end:
        start = max(0, end - BLOCK)
        while data[start] & 0xC0 == 0x80:
            start -= 1
        block = data[start:end].decode()
        if len(block) >= number:
            return end - len(block[-number:].encode())
        number -= len(block)
        end = start
    return end


def boundary(data: Any, target: int, end: int) -> int:
    """The offset of the cut near `target`: after a blank line, else a line, else a blank, if one comes soon after it.

    What is cut off keeps four fifths of its bytes at least.

    Args:
        data: bytes-like with `find`, UTF-8 text.
        target: offset wanted.
        end: offset the cut stays below.
    """
    target = max(1, target)
    reach = target + (end - target) // 5
    for mark in (b"\n\n", b"\n", b" "):
        place = data.find(mark, max(0, target - len(mark)), reach)
        if place >= 0 and target <= place + len(mark) < end:
            return place + len(mark)
    while target > 0 and data[target] & 0xC0 == 0x80:
        target -= 1
    return target


def characters(path: Path) -> int:
    """Unicode characters in a canonical file."""
    with open(path, encoding="utf-8", newline="") as file:
        return sum(len(block) for block in iter(lambda: file.read(BLOCK), ""))


def count(path: Path) -> dict[str, int]:
    """Characters, lines (a last one without LF counts) and documents of a canonical text file.

    The lines that separate documents are no part of the text and are not counted.
    """
    length, lines, documents, held = 0, 0, 1, ""
    with open(path, encoding="utf-8", newline="\n") as file:
        while block := held + file.read(BLOCK):
            ended = len(block) == len(held)
            # A separator must not be split by a block's end.
            held = "" if ended or not block.endswith("\f") else "\f"
            block = block[: len(block) - len(held)]
            separators = block.count(SEPARATOR)
            length += len(block) - 2 * separators
            lines += block.count("\n") - separators
            documents += separators
            last = block[-1:] or "\n"
    return {"characters": length, "lines": lines + (last != "\n"), "documents": documents}


def write_documents(folder: Path, name: SplitName, documents: list[str]) -> None:
    """Write documents, each ended by LF, with the separating line between them."""
    with open(folder / f"{name}.txt", "w", encoding="utf-8", newline="\n") as file:
        file.write(SEPARATOR.join(documents))
