"""Sentence pairs from lines, catalogues and translation files."""

import gettext
import io
import json
import struct

import pytest

from anamnesis.data.readers import pairs, translations
from anamnesis.data.readers.splits import normalise
from anamnesis.data.text.cleaning import clean
from anamnesis.errors import AnamnesisError

KEYS = {"reader": "pairs", "minimum": 3}


def test_equal_pairs_are_left_out_and_no_sentence_is_in_two_splits(read, join):
    lines = "".join(
        f"A caf\u00e9 {n}\tEen caf\u00e9 {n}\tCC-BY {n}\nA CAFE\u0301\u00ad {n}\tCaf\u00e9 {n}\n" for n in range(60)
    )
    lines += "\n" + "".join(f"\ufeffA cafe\u0301\u200b {n}\tEEN  caf\u00e9\u0000 {n}\n" for n in range(60))
    splits, counts = read(KEYS, ("n.txt", lines))
    assert counts["left_out"]["duplicates"] == 60
    assert sorted(join(splits)) == sorted(
        row
        for n in range(60)
        for row in (
            [f"A caf\u00e9 {n}", f"Een caf\u00e9 {n}", f"CC-BY {n}"],
            [f"A CAF\u00c9 {n}", f"Caf\u00e9 {n}", "n.txt"],
        )
    )
    lines = "".join(f"The {n % 37} thing\tHet {n % 41} ding{n // 500}\n" for n in range(0, 1000, 7))
    lines += "".join(f"Other {n}\tAnder {n // 2}\n" for n in range(200))
    for found in (splits, read(KEYS, ("n.txt", lines))[0]):
        for column in (0, 1):
            seen = [{normalise(row[column]) for row in rows} for rows in found.values()]
            assert all(seen)
            assert sum(map(len, seen)) == len(set.union(*seen))


@pytest.mark.parametrize("line", ["no tab here", "only\t", "\tone", "spaces    only"])
def test_lines_without_two_sentences(read, line):
    with pytest.raises(AnamnesisError, match=r"n.txt: line 3: not two sentences with a tab between them"):
        read(KEYS, ("n.txt", f"a\tb\n\n{line}\n"))


@pytest.mark.parametrize(
    ("sentence", "cleaned"),
    [
        ("Cafe\u0301  noir\u00a0\n", "Caf\u00e9 noir"),
        ("\ufeffMor\u00adgen \u200b komt\u0000", "Morgen komt"),
        ("one\ttwo\x85three\x1cfour\x7f\x9b", "one two three four"),
        ("e\u200b\u0301", "\u00e9"),
        ("\u202aleft\u202c \u2060right\u200f", "left right"),
        ("\u0645\u06cc\u200c\u062e, \U0001f468\u200d", "\u0645\u06cc\u200c\u062e, \U0001f468\u200d"),
        ("\ufb01ne \u00bd \u201cquoted\u201d", "\ufb01ne \u00bd \u201cquoted\u201d"),
    ],
)
def test_clean(sentence, cleaned):
    assert clean(sentence) == clean(cleaned) == cleaned


def catalogue(messages: dict[str, str], order: str = "<") -> bytes:
    """A compiled catalogue, laid out as the GNU gettext manual says."""
    entries = [(source.encode(), target.encode()) for source, target in sorted(messages.items())]
    count, data = len(entries), b""
    tables: list[list[bytes]] = [[], []]
    for column in (0, 1):
        for entry in entries:
            offset = 28 + 16 * count + len(data)
            tables[column].append(struct.pack(f"{order}2I", len(entry[column]), offset))
            data += entry[column] + b"\0"
    head = struct.pack(f"{order}7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0)
    return head + b"".join(tables[0] + tables[1]) + data


@pytest.mark.parametrize("order", ["<", ">"])
def test_catalogues_agree_with_the_standard_library(order):
    messages = {"": "Content-Type: text/plain; charset=UTF-8\n", "A dog": "Een hond", "menu\x04Open it": "Open hét"}
    data = catalogue(messages, order)
    reference = gettext.GNUTranslations(io.BytesIO(data))
    found = dict(translations.parse_mo(data))
    assert found == messages
    assert reference.gettext("A dog") == found["A dog"]
    assert reference.pgettext("menu", "Open it") == found["menu\x04Open it"]


@pytest.mark.parametrize(
    "data",
    [b"", b"garbage!", catalogue({"a": "b"})[:-2], catalogue({"a": "b"})[:30], b"\xde\x12\x04\x95" + b"\xff" * 40],
)
def test_damaged_catalogues(read, data):
    with pytest.raises(AnamnesisError, match=r"x.mo: broken gettext catalogue"):
        read(KEYS, ("x.mo", data))


def test_catalogues_and_translation_files(read, join):
    messages = {
        "": "Project-Id-Version: 1\n",
        "menu\x04Save the file": "Bewaar het bestand",
        "One dog\0Many dogs": "Eén hond\0Veel honden",
        "Hello": "Hallo daar",
        "Dear %(name)s, hello": "Beste %(name)s, hallo",
        "Click <b>here</b> now": "Klik <b>hier</b> nu",
        "See https://a.example now": "Zie nu https://a.example",
        "Home Assistant": "Home Assistant",
        "100 %": "100 %",
    }
    english = {"title": "Turn it on", "state": {"a": "Not yet known", "b": "Only {name} here"}, "n": [1]}
    dutch = {"title": "Zet het aan", "state": {"a": "Nog niet bekend", "b": "Alleen {name} hier"}}
    splits, counts = read(
        KEYS | {"minimum_words": 2, "plain": True, "split": {"valid": 1, "test": 1}},
        ("x/nl/LC_MESSAGES/x.mo", catalogue(messages), None, "x.whl"),
        ("t/en-0123456789abcdef.json", json.dumps(english), None, "h.whl"),
        ("t/nl-fedcba9876543210.json", json.dumps(dutch), None, "h.whl"),
        ("u/en.json", json.dumps({"a": "Without a partner"}), None, "h.whl"),
    )
    assert sorted(join(splits)) == [
        ["Many dogs", "Veel honden", "x.whl"],
        ["Not yet known", "Nog niet bekend", "h.whl"],
        ["One dog", "Eén hond", "x.whl"],
        ["Save the file", "Bewaar het bestand", "x.whl"],
        ["Turn it on", "Zet het aan", "h.whl"],
    ]
    left_out = {"too_short": 2, "templates": 4, "same_on_both_sides": 1, "duplicates": 0, "in_a_published_split": 0}
    assert counts["left_out"] == left_out


def test_pairs_with_the_same_placeholders(read, join):
    usable = [
        ("Save", "Opslaan"),
        ("%s of %d", "%d van de %s"),
        ("Dear <b>%(name)s</b>, see https://a.example/x.", "Zie https://a.example/x, beste <b>%(name)s</b>."),
        ("{a}, {a} and {b}", "{b}, {a} en {a}"),
        ("Nothing here", "Hier niets"),
    ]
    others = [
        ("%s", "%s"),
        ("Open %s", "Open"),
        ("{a} and {b}", "{a} en {a}"),
        ("{n, plural, one {# day} other {days}}", "{n, plural, one {# day} other {dagen}}"),
        ("Same %s", "same %s"),
    ]
    lines = "\n".join("\t".join(pair) for pair in [*usable, *others])
    keys = KEYS | {"plain": True, "placeholders": True, "split": {"valid": 1, "test": 1}}
    splits, counts = read(keys, ("n.txt", lines))
    assert sorted(tuple(row[:2]) for row in join(splits)) == sorted(usable)
    assert [counts["left_out"][name] for name in ("too_short", "templates", "same_on_both_sides")] == [1, 3, 1]
    with pytest.raises(ValueError, match=r"placeholders: found true; allowed: false, unless `plain` is true"):
        read(keys | {"plain": False})


def test_words_of_a_language_without_spaces_are_its_characters():
    assert [pairs.count_words("打开 文件!", language) for language in ("zh", "en")] == [4, 2]


@pytest.mark.parametrize(
    "text", ["%s of it", "{a} b", "$x is", "<b>", "&amp;", "www.x", "a@b.c", "[a](b)", "`x`", "**a**", "a _File", "a_b"]
)
def test_templates(text):
    assert pairs.TEMPLATE.search(text)


@pytest.mark.parametrize("text", ["It's 100 % sure.", "5% of it", "Q & A (part 2): yes!", 'price: $ 5 - "so"'])
def test_sentences_that_are_no_templates(text):
    assert not pairs.TEMPLATE.search(text)
