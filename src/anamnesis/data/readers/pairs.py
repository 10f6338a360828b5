"""Sentences and their translations, from gettext catalogues, translation files in JSON, or lines with tabs."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anamnesis.data.readers import tables, text
from anamnesis.data.readers.splits import NAMES, fill, normalise
from anamnesis.data.settings import Pairs, SplitName
from anamnesis.data.sources.sources import Part
from anamnesis.data.text import placeholders
from anamnesis.data.text.cleaning import clean
from anamnesis.data.text.languages import units
from anamnesis.errors import AnamnesisError

Pair = tuple[str, str, str]

# What marks a string as a template rather than a sentence: %s, %(name)s, {name}, ${name}, [%key%], tags, entities,
# addresses, Markdown links and code, escapes, accelerator keys of menus (_File, &File).
TEMPLATE = re.compile(
    r"%[-+#0]*\(?\w|\{|\}|\[%|%\]|\$\w|<|>|&\w+;|&#|&\w|https?:|www\.|\w@\w|\]\(|`|\*\*|\\|(?:^|\s)_\w|\w_\w|__|\|"
)


def read(corpus: Pairs, parts: list[Part], folder: Path) -> dict[str, Any]:
    """Write `train.csv`, `valid.csv` and `test.csv` with the columns `source`, `target` and `origin`.

    Sentences are cleaned (`clean`); pairs that are the same but for case are kept once (the first).
    Splits that the source names stay as they are if it names all three.

    Returns:
        Rows, words and characters of each split, and how many pairs were left out and why.

    Raises:
        AnamnesisError: a file is broken, a line has no tab, there are too few pairs, or a split would be empty.
    """
    given: dict[SplitName, list[Pair]] = {}
    catalogues = [part for part in parts if part.name.endswith(".json")]
    for part in parts:
        if part in catalogues:
            continue
        found = _catalogue(part) if part.name.endswith(".mo") else _lines(part)
        given.setdefault(part.split or "train", []).extend(found)
    for split in dict.fromkeys(part.split for part in catalogues):
        found = _translations([part for part in catalogues if part.split == split], corpus.languages)
        given.setdefault(split or "train", []).extend(found)
    left_out = {"too_short": 0, "templates": 0, "same_on_both_sides": 0, "duplicates": 0}
    published = set(given) == set(NAMES)
    for name, pairs in given.items():
        given[name] = _usable(pairs, corpus, left_out, keep_duplicates=published)[: corpus.limit]
    total = sum(map(len, given.values()))
    if total < corpus.minimum:
        raise AnamnesisError(f"{parts[0].name}: only {total:,} pairs; at least {corpus.minimum:,} are needed")
    result, lost = fill(
        given, corpus.split, "pairs", keys=lambda pair: [("source", normalise(pair[0])), ("target", normalise(pair[1]))]
    )
    counts: dict[str, Any] = {"left_out": {**left_out, "in_a_published_split": lost}}
    for name in NAMES:
        tables.write(folder / f"{name}.csv", ("source", "target", "origin"), result[name])
        counts[name] = {
            "rows": len(result[name]),
            "source_words": sum(len(pair[0].split()) for pair in result[name]),
            "target_words": sum(len(pair[1].split()) for pair in result[name]),
            "characters": sum(len(pair[0]) + len(pair[1]) for pair in result[name]),
        }
    return counts


def _usable(pairs: list[Pair], corpus: Pairs, left_out: dict[str, int], keep_duplicates: bool) -> list[Pair]:
    result, seen = [], set()
    for source, target, origin in pairs:
        pair = (clean(source), clean(target), origin)
        key = (normalise(pair[0]), normalise(pair[1]))
        rest = [placeholders.hide(sentence) if corpus.placeholders else sentence for sentence in pair[:2]]
        if min(map(words, rest, corpus.languages)) < corpus.minimum_words:
            left_out["too_short"] += 1
        elif corpus.plain and (any(map(TEMPLATE.search, rest)) or not _same_placeholders(pair, corpus)):
            left_out["templates"] += 1
        elif corpus.plain and key[0] == key[1]:
            left_out["same_on_both_sides"] += 1
        elif key in seen and not keep_duplicates:
            left_out["duplicates"] += 1
        else:
            seen.add(key)
            result.append(pair)
    return result


def _same_placeholders(pair: Pair, corpus: Pairs) -> bool:
    return not corpus.placeholders or placeholders.same(pair[0], pair[1])


def words(sentence: str, language: str) -> int:
    """Words with a letter in them; characters, in a language without spaces between words."""
    return sum(any(char.isalpha() for char in unit) for unit in units(sentence, language))


def _lines(part: Part) -> Iterator[Pair]:
    """Pairs from lines `source TAB target`; what follows a second tab, such as an attribution, is the origin."""
    for number, line in enumerate(text.whole(part).split("\n"), 1):
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) < 2 or not fields[0].strip() or not fields[1].strip():
            raise AnamnesisError(f"{part.name}: line {number}: not two sentences with a tab between them")
        yield fields[0], fields[1], " ".join(fields[2:]) or part.name


def _catalogue(part: Part) -> Iterator[Pair]:
    """Pairs from a compiled gettext catalogue; of a plural form, singular and plural each make one."""
    origin = part.archive or part.name
    try:
        for message, translation in read_mo(part.path.read_bytes()):
            sources = message.rpartition("\x04")[2].split("\0")
            targets = translation.split("\0")
            if message:
                yield from (
                    (source, target, origin) for source, target in zip(sources, targets, strict=False) if target
                )
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise AnamnesisError(f"{part.name}: broken gettext catalogue: {error}") from None


def read_mo(data: bytes) -> Iterator[tuple[str, str]]:
    """Messages and translations of a compiled catalogue (GNU gettext manual, "The Format of GNU MO Files").

    The standard library's reader compiles the catalogue's plural formula to code; this one leaves it alone.

    Raises:
        ValueError, struct.error: not such a file, or it points outside itself.
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


def _translations(parts: list[Part], languages: list[str]) -> Iterator[Pair]:
    """Pairs from JSON files that are named after a language: strings under the same keys of two files of the same name.

    A digest in the name (`nl-5ec237c7....json`) does not count.
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
    """Every string of a JSON file under the keys that lead to it."""
    result: dict[tuple[str, ...], str] = {}
    stack: list[tuple[tuple[str, ...], Any]] = [((), text.json_of(part))]
    while stack:
        keys, value = stack.pop()
        if isinstance(value, dict):
            stack.extend(((*keys, key), child) for key, child in reversed(value.items()))
        elif isinstance(value, str):
            result[keys] = value
    return result
