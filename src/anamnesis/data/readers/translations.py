"""Sentence pairs from files with the translations of programs: gettext catalogues, JSON, lines with tabs."""

import re
import struct
from collections.abc import Iterator
from typing import Any

from anamnesis.data.readers.canonical import read_json, read_text
from anamnesis.data.sources.local import Part
from anamnesis.errors import AnamnesisError

# Source, target, and the file or package that the pair comes from.
Pair = tuple[str, str, str]


def read_lines(part: Part) -> Iterator[Pair]:
    """The pairs of lines `source TAB target`; text after a second tab, such as an attribution, is the origin.

    Raises:
        AnamnesisError: a line has no two sentences.
    """
    for number, line in enumerate(read_text(part).split("\n"), 1):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) < 2 or not cells[0].strip() or not cells[1].strip():
            raise AnamnesisError(f"{part.name}: line {number}: not two sentences with a tab between them")
        yield cells[0], cells[1], " ".join(cells[2:]) or part.name


def read_catalogue(part: Part) -> Iterator[Pair]:
    """The pairs of a compiled gettext catalogue; singular and plural of a message make a pair each.

    Raises:
        AnamnesisError: the catalogue is damaged.
    """
    origin = part.archive or part.name
    try:
        for message, translation in parse_mo(part.path.read_bytes()):
            sources = message.rpartition("\x04")[2].split("\0")
            targets = translation.split("\0")
            if message:
                yield from (
                    (source, target, origin) for source, target in zip(sources, targets, strict=False) if target
                )
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise AnamnesisError(f"{part.name}: broken gettext catalogue: {error}") from None


def parse_mo(data: bytes) -> Iterator[tuple[str, str]]:
    """Messages and translations of a compiled catalogue (GNU gettext manual, "The Format of GNU MO Files").

    Python's `gettext` would compile the catalogue's plural formula to code.

    Raises:
        ValueError, struct.error: the data has another format, or points outside itself.
    """
    order = {b"\xde\x12\x04\x95": "<", b"\x95\x04\x12\xde": ">"}.get(data[:4])
    if order is None:
        raise ValueError("it does not start as one")
    count, messages, translations = struct.unpack_from(f"{order}3I", data, 8)
    if max(messages, translations) + 8 * count > len(data):
        raise ValueError("its table is longer than the file")
    for index in range(count):
        both = []
        for table in (messages, translations):
            length, offset = struct.unpack_from(f"{order}2I", data, table + 8 * index)
            if offset + length > len(data):
                raise ValueError("a message lies outside the file")
            both.append(data[offset : offset + length].decode("utf-8"))
        yield both[0], both[1]


def read_translations(parts: list[Part], languages: list[str]) -> Iterator[Pair]:
    """The pairs of JSON files named after their languages: strings under the same keys of two files of the same stem.

    A digest in the name (`nl-5ec237c7....json`) does not count.

    Raises:
        AnamnesisError: a file's name has no language.
    """
    codes = "|".join(map(re.escape, languages))
    files: dict[tuple[str, str], Part] = {}
    for part in parts:
        named = re.fullmatch(rf"(.*?)({codes})(?:-[0-9a-f]{{8,}})?\.json", part.name)
        if not named:
            raise AnamnesisError(f"{part.name}: its name does not end with {languages[0]}.json or {languages[1]}.json")
        files[f"{part.archive}:{named[1]}", named[2]] = part
    for stem, language in files:
        other = files.get((stem, languages[1]))
        if language == languages[0] and other:
            source, target = _strings(files[stem, language]), _strings(other)
            origin = other.archive or other.name
            yield from ((source[key], target[key], origin) for key in source if target.get(key))


def _strings(part: Part) -> dict[tuple[str, ...], str]:
    """Every string of a JSON file, by the keys that lead to it."""
    strings: dict[tuple[str, ...], str] = {}
    stack: list[tuple[tuple[str, ...], Any]] = [((), read_json(part))]
    while stack:
        keys, value = stack.pop()
        if isinstance(value, dict):
            stack.extend(((*keys, key), child) for key, child in reversed(value.items()))
        elif isinstance(value, str):
            strings[keys] = value
    return strings
