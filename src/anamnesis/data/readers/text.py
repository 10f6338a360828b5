"""Reader of running text: any UTF-8 file, cut into contiguous splits, in bounded memory."""

import codecs
import mmap
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from anamnesis.data.readers.base import BaseCorpus
from anamnesis.data.readers.canonical import canonical_blocks, count, count_characters
from anamnesis.data.readers.splits import SPLITS, Cut, sizes
from anamnesis.data.sources.local import Part
from anamnesis.data.sources.settings import SplitName
from anamnesis.data.text.blocks import BLOCK
from anamnesis.errors import AnamnesisError

# Project Gutenberg puts its licence before the first of these lines and after the second.
START = re.compile(rb"^\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*\n", re.MULTILINE | re.IGNORECASE)
END = re.compile(
    rb"^(?:\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG|End of (?:the |this )?Project Gutenberg)", re.M | re.I
)


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"a regular expression; this one is invalid: {error}") from None
    return text


class Text(BaseCorpus):
    """Running text, cut contiguously at line ends."""

    makes: ClassVar = "running text"
    sources: ClassVar = (*BaseCorpus.sources, "literal")
    reader: Literal["text"]
    begin: str | None = Field(
        None, min_length=1, description="the text starts with the first occurrence of these characters"
    )
    end: str | None = Field(
        None, min_length=1, description="the text ends with the first occurrence of these characters after `begin`"
    )
    leave_out: Annotated[str, AfterValidator(_expression)] | None = Field(
        None,
        min_length=1,
        description="regular expression; lines that it matches from end to end are left out, such as chapter "
        "headings. An expression with nested repeats, as `(a+)+`, may take very long on a long line",
    )
    minimum: int = Field(1000, ge=2, description="characters that the text must have")
    split: Cut = Cut()

    def read(self, parts: list[Part], folder: Path) -> dict[str, Any]:
        """Write `train.txt`, `valid.txt` and `test.txt`, as `BaseCorpus.read` says.

        A single file is cut contiguously: the three splits joined are the text. Files that the source names as splits
        stay whole; a split without a file is cut from the end of train.
        """
        given: dict[SplitName | None, Part] = {}
        for part in parts:
            if part.split in given or (part.split is None and len(parts) > 1):
                raise AnamnesisError(f"{part.name}: `reader: text` takes one file, or one for each split")
            given[part.split] = part
        if None not in given and "train" not in given:
            raise AnamnesisError("the source names no file as the train split")
        main = None if None in given else "train"
        missing = [name for name in SPLITS[1:] if name not in given]
        for split, part in given.items():
            target = folder / f"{split or 'train'}.txt"
            self._write_canonical(part, target)
            if split == main:
                length = count_characters(target)
                if length < self.minimum:
                    problem = "the text is empty" if not length else f"only {length:,} characters"
                    raise AnamnesisError(f"{part.name}: {problem}; at least {self.minimum:,} are needed")
                if missing:
                    cut_file(target, length, self.split, missing)
            elif not target.stat().st_size:
                raise AnamnesisError(f"{part.name}: the file is empty, so the {split} split would be empty")
        return {name: count(folder / f"{name}.txt") for name in SPLITS}

    def _write_canonical(self, part: Part, target: Path) -> None:
        """Write the part's text between `begin` and `end`, at most `limit` characters, to `target`."""
        blocks: Iterable[str] = canonical_blocks(part)
        if self.leave_out is not None:
            blocks = without_lines(blocks, re.compile(self.leave_out))
        with open(target, "wb") as file:
            file.writelines(block.encode() for block in blocks)
        if not target.stat().st_size:
            first, end = 0, 0
        else:
            with open(target, "r+b") as whole, mmap.mmap(whole.fileno(), 0) as data:
                first, end = self._find_text(data, part.name)
                if self.limit is not None:
                    end = offset_after(data, first, end, self.limit)
                data.move(0, first, end - first)
        os.truncate(target, end - first)

    def _find_text(self, data: mmap.mmap, name: str) -> tuple[int, int]:
        """The bytes (first, end) between `begin` and `end`, both included, and within Project Gutenberg's lines."""
        first, end = find_book(data)
        if (first, end) != (0, len(data)):
            while first < end and data[first : first + 1].isspace():
                first += 1
            while end > first and data[end - 1 : end].isspace():
                end -= 1
        if self.begin is not None:
            first = data.find(self.begin.encode(), first, end)
            if first < 0:
                raise AnamnesisError(f"{name}: `begin`, {self.begin!r}, does not occur in the text")
        if self.end is not None:
            place = data.find(self.end.encode(), first, end)
            if place < 0:
                raise AnamnesisError(f"{name}: `end`, {self.end!r}, does not occur in the text")
            end = place + len(self.end.encode())
        return first, end


def find_book(data: Any) -> tuple[int, int]:
    """The bytes (first, end) of a text between the lines of Project Gutenberg; without these lines, all.

    Args:
        data: bytes-like.
    """
    start = START.search(data)
    first = start.end() if start else 0
    end = END.search(data, first)
    return first, end.start() if end else len(data)


def without_lines(blocks: Iterable[str], pattern: re.Pattern[str]) -> Iterator[str]:
    """A canonical text, in blocks, without the lines that a pattern matches from end to end."""
    unfinished: list[str] = []
    for block in blocks:
        *lines, rest = block.split("\n")
        if lines:
            lines[0] = "".join((*unfinished, lines[0]))
            unfinished = []
            yield "".join(f"{line}\n" for line in lines if not pattern.fullmatch(line))
        unfinished.append(rest)
    last = "".join(unfinished)
    if not pattern.fullmatch(last):
        yield last


def cut_file(path: Path, length: int, split: Cut, missing: list[SplitName]) -> None:
    """Move the end of a text file to files of the missing splits beside it.

    Args:
        path: UTF-8 text.
        length: characters of the file.
        split: sizes of the missing splits.
        missing: the splits to write, in their order.

    Raises:
        AnamnesisError: a split would be empty.
    """
    wanted = dict(zip(SPLITS[1:], sizes(length, split, "characters"), strict=True))
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = len(data)
        for name in reversed(missing):
            start = find_cut(data, offset_before(data, end, wanted[name]), end)
            if not 0 < start < end:
                raise AnamnesisError(f"{length:,} characters: the {name} split would be empty")
            with open(path.with_name(f"{name}.txt"), "wb") as out:
                for place in range(start, end, BLOCK):
                    out.write(data[place : min(place + BLOCK, end)])
            end = start
    os.truncate(path, end)


def offset_before(data: Any, end: int, number: int) -> int:
    """The offset in UTF-8 text of the character `number` characters before the offset `end`; 0 if there are fewer."""
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


def offset_after(data: Any, start: int, end: int, number: int) -> int:
    """The offset in UTF-8 text `number` characters after the offset `start`, or `end` if there are fewer."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    while number and start < end:
        stop = min(start + BLOCK, end)
        pending = len(decoder.getstate()[0])
        block = decoder.decode(data[start:stop])
        if len(block) >= number:
            return start - pending + len(block[:number].encode())
        number -= len(block)
        start = stop
    return end


def find_cut(data: Any, target: int, end: int) -> int:
    """The offset of a cut near `target`: after a blank line, or else a line, or else a space, that follows soon.

    The part after the cut keeps at least four fifths of its bytes.

    Args:
        data: bytes-like with `find`, UTF-8 text.
        target: the wanted offset.
        end: the cut is before this offset.
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
