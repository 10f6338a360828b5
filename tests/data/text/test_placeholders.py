"""Placeholders in messages of programs: which strings are placeholders, and markers that lose nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anamnesis.data.text.cleaning import clean
from anamnesis.data.text.placeholders import MARKERS, find, find_copied, hide, lost, mark, restore, same

PIECES = ["%s", "%1$s", "{}", "{name}", "<b>", "</b>", "$x", "&amp;", "a@b.nl", " ", "a", "é", "5%", "😀", "."]


@pytest.mark.parametrize(
    "one",
    [
        "%s", "%d", "%1$s", "%12$d", "%(name)s", "%(two words)d", "%-5.2f", "%05d", "%ld", "%zu", "%@", "%*d", "%r",
        "{}", "{0}", "{name}", "{user.name}", "{a[0]}", "{amount:,.2f}", "{name!r}", "{{ name }}", "${name}", "$name",
        "<b>", "</b>", "<br/>", '<a href="x?a=1">', "&nbsp;", "&#160;",
        "https://a.example/b?c=1", "www.example.org", "me.too@mail.example.org",
    ],
)  # fmt: skip
def test_strings_that_are_placeholders(one):
    for text in (one, f"Open {one}.", f"({one})", f'"{one}" and {one}', f"{one} {one}"):
        assert find(text) == [one] * text.count(one)
        assert hide(text) == text.replace(one, MARKERS[0])


@pytest.mark.parametrize("text", ["5% of it", "100 %", "a < b", "a > b", "$ 5", "$5", "Q & A", "AT&T", "x{", "@home"])
def test_strings_that_are_no_placeholders(text):
    assert find(text) == []


def test_markers_replace_the_same_parts_in_source_and_target():
    source, target = "Move {a} from <b>%s</b> to %s", "%s: {a} weg van <b>%s</b>"
    parts = find_copied(source)
    assert parts == ["{a}", "<b>", "%s", "</b>"]
    assert mark(source, parts) == "Move \x01 from \x02\x03\x04 to \x03"
    assert mark(target, parts) == "\x03: \x01 weg van \x02\x03\x04"
    assert restore(mark(target, parts), parts) == target
    # A part that is the beginning of another part is not confused with it.
    assert mark("$na $n", ["$n", "$na"]) == "\x02 \x01"


def test_lost_placeholders_are_listed_once_in_the_order_of_the_source():
    assert lost("%s of %d in {x}, {x} and <b>", "{x} %s") == ["%d", "{x}", "<b>"]
    assert lost("%s", "%s %s") == lost("", "%s") == []
    assert same("%s {a} %s", "{a}%s%s")
    assert not same("%s {a} %s", "{a}%s")


def test_words_and_symbols_with_an_unknown_character_are_copied():
    known = set("abcdefghijklmnopqrstuvwxyzé .,%!")
    found = find_copied("hi \U0001f44d\U0001f3fd, %s café Łódź 日本語!", known)
    assert found == ["\U0001f44d\U0001f3fd", "%s", "Łódź", "日本語"]
    assert find_copied("hi \U0001f44d Łódź") == []


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.booleans())
def test_marking_and_restoring_gives_back_any_text(text, every):
    parts = find_copied(text, None if every else set("a .%5é"))
    assert len(parts) == len(set(parts)) <= len(MARKERS)
    marked = mark(text, parts)
    assert restore(marked, parts) == text
    if len(parts) < len(MARKERS):
        assert sum(map(marked.count, MARKERS)) >= len(find(text))


def test_every_marker_has_its_own_part_and_no_clean_text_holds_one():
    assert clean(f"a{MARKERS}b") == "ab"
    assert all(len(marker.encode()) == 1 for marker in MARKERS)
    parts = find_copied("".join(f"{{p{number}}}" for number in range(12)))
    assert parts == [f"{{p{number}}}" for number in range(len(MARKERS))]
