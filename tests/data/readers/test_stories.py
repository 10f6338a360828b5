"""Collections: tales, works, chapters, and the ends that are held out."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anamnesis.data.readers.ends import hold_out_ends, nearest_end
from anamnesis.data.readers.splits import Cut, normalise
from anamnesis.errors import AnamnesisError

SPLITS = ("train", "valid", "test")
TALES = {"reader": "tales", "minimum": 2}


def test_tales_of_a_text_and_of_a_table(read, join):
    tales = [f"THE TALE, NO. {number}\n\nOnce upon a time.\n\nIt ended.\n\n\nSo {number}." for number in range(6)]
    table = "Topic\tTitle\tContent\r\nd\tstring\tstring\r\nclass\t\t\r\n\r\n" + "".join(
        f'x\tTale {number}\t"Content {number}, ""quoted""."\r\n' for number in range(5)
    )
    files = [("b.txt", "\ufeff\n" + "\n\n\n\n\n".join(tales) + "\n"), ("g.tab", table)]
    splits, counts = read(TALES | {"title": "Title", "split": {"valid": 0.2, "test": 0.2}}, *files)
    expected = [f"{tale}\n" for tale in tales] + [f'TALE {n}\n\nContent {n}, "quoted".\n' for n in range(5)]
    assert sorted(join(splits)) == sorted(expected)
    assert {name: counts[name]["documents"] for name in SPLITS} == {name: len(splits[name]) for name in SPLITS}
    with pytest.raises(AnamnesisError, match=r"b.txt: fewer than 3 headings"):
        read(TALES, ("b.txt", "Just a text.\n" * 20))


def test_headings_inside_a_tale_and_only_the_first_tales(read, join):
    """As the plain text of Grimms' tales: headings after four blank lines, parts of a tale after two."""
    titles = ["THE BIRD", "THE STRAW, THE COAL, AND THE BEAN", "LITTLE RED-CAP [LITTLE RED RIDING HOOD]", "HANS"]
    parts = [
        "\n\n\n1. HOW THEY WENT TO THE MOUNTAINS\n\nThey went.",
        "\n\n\nSECOND STORY\n\n\u2018So,\u2019 SAID HE.",
        "",
        "\n\n\n\nAS I WENT",
    ]
    tales = [f"{titles[n % 4]}\n\n\nOnce upon a time {n}.{parts[n % 4]}" for n in range(62)]
    source = ("grimm.txt", ("\n" + "\n\n\n\n\n".join(tales) + "\n\n").replace("\n", "\r\n"))
    straight = [tale.replace("\u2018", "'").replace("\u2019", "'") + "\n" for tale in tales]
    for keys, number in (({}, 62), ({"take": [20]}, 20)):
        splits, _ = read(TALES | {"straight_quotes": True, **keys}, source)
        assert sorted(join(splits)) == sorted(straight[:number])
    for take, problem in (
        ([63], r"^take: found 63; allowed: at most 62, the texts of grimm.txt$"),
        ([1, 1], r"^take: found 2 numbers; allowed: 1, one for each file$"),
    ):
        with pytest.raises(AnamnesisError, match=problem):
            read(TALES | {"take": take}, source)


def test_works_lose_their_licence_and_are_shortened_in_proportion(read, join):
    licence = "*** START OF THE PROJECT GUTENBERG EBOOK {} ***\n\nPlay {}\f\n\n*** END OF THE PROJECT GUTENBERG\n"
    works = {"reader": "works", "minimum": 2}
    splits, _ = read(
        works | {"split": {"valid": 2, "test": 3}}, *((f"{n}.txt", licence.format(n, n)) for n in range(10))
    )
    assert sorted(join(splits)) == [f"Play {n}\n" for n in range(10)]
    assert [len(splits[name]) for name in SPLITS] == [5, 2, 3]
    files = [(f"{n}.txt", f"{n}" * 1000 * (n + 1)) for n in range(5)]
    splits, _ = read(works | {"limit": 150, "split": {"valid": 1, "test": 1}}, *files)
    assert all(
        abs(len(text) - 1 - length) <= 1 for text, length in zip(sorted(join(splits)), range(10, 60, 10), strict=True)
    )


def test_chapters_follow_each_other(read, join):
    chapters = [f"第{number}回\n\n话说" for number in range(20)]
    keys = {"reader": "chapters", "minimum": 2, "split": {"valid": 0.1, "test": 0.2}}
    for file in (("c.json", json.dumps(chapters)), ("c.txt", "\n\f\n".join(chapters))):
        splits, _ = read(keys, file)
        assert join(splits) == [f"{chapter}\n" for chapter in chapters]
        assert [len(splits[name]) for name in SPLITS] == [14, 2, 4]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[" * 200_000, "too many nested brackets"),
        ('["a", "\\ud800"]', r"found \\ud800, half of a character"),
        ("[1" + "0" * 5000 + "]", "not valid JSON"),
        ("[1]", "not a JSON list of texts"),
    ],
    ids=lambda value: value[:20],
)
def test_json_that_is_no_list_of_texts(read, join, content, problem):
    with pytest.raises(AnamnesisError, match=f"c.json: {problem}") as caught:
        read({"reader": "chapters"}, ("c.json", content))
    assert "\n" not in str(caught.value)
    # Two halves of a character, in their order, are one.
    splits, _ = read({"reader": "chapters", "minimum": 2}, ("c.json", '["\\ud83d\\ude00", "b", "c"]'))
    assert join(splits) == ["\U0001f600\n", "b\n", "c\n"]


def tale(name: str, sentences: int) -> str:
    return " ".join(f"The {name} said number {n}." for n in range(sentences)) + "\n"


def hold_out(texts, longer_than=300, valid=0.1, test=0.1):
    return hold_out_ends(texts, Cut(valid=valid, test=test), longer_than, "tales")


def test_ends_of_longer_texts_are_held_out_and_shorter_ones_train():
    texts = [tale("wolf", 100), tale("fox", 5), tale("king", 200), tale("cat", 50)]
    result, lost = hold_out(texts)
    assert lost == 0
    assert [len(result[name]) for name in SPLITS] == [4, 3, 3]
    assert result["train"][1] == texts[1]
    cut = [texts[0], texts[2], texts[3]]
    beginnings = [result["train"][0], *result["train"][2:]]
    for text, *pieces in zip(cut, beginnings, result["valid"], result["test"], strict=True):
        assert " ".join(piece.strip() for piece in pieces) == text.strip()
        assert all(piece.endswith(".\n") for piece in pieces)
        # The ends are in proportion to the length of their text, within a sentence.
        share = 0.1 * sum(map(len, texts)) / sum(map(len, cut))
        assert abs(len(pieces[2]) - share * len(text)) <= 30
        assert abs(len(pieces[1]) - share * len(text)) <= 60
    result, _ = hold_out([tale("wolf", 100), tale("king", 100)], valid=500, test=1000)
    assert [sum(map(len, result[name])) for name in SPLITS[1:]] == pytest.approx([500, 1000], abs=60)


def test_equal_texts_are_in_one_split():
    wolf, king = tale("wolf", 100), tale("king", 100)
    # A longer copy would be cut at other places.
    result, lost = hold_out([wolf, wolf.upper().replace(" ", "  \n"), king, wolf])
    assert lost == 2
    assert result == hold_out([wolf, king])[0]
    sentences = [
        {normalise(s) for text in result[name] for s in re.split(r"(?<=\.)\s", text)} - {""} for name in SPLITS
    ]
    assert sum(map(len, sentences)) == len(set.union(*sentences))


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=12), valid=st.floats(0.02, 0.3), test=st.floats(0.02, 0.3)
)
def test_no_word_is_lost_and_no_split_empty(lengths, valid, test):
    texts = [tale(f"{number}th", length) for number, length in enumerate(lengths)]
    try:
        result, _ = hold_out(texts, 400, valid, test)
    except AnamnesisError:
        # Valid and test ask for almost all of the longer texts, or there are none.
        assert max(map(len, texts)) <= 400 or (valid + test) * sum(map(len, texts)) >= 0.9 * sum(
            len(text) for text in texts if len(text) > 400
        )
        return
    assert all(result.values())
    words = [word for name in SPLITS for piece in result[name] for word in normalise(piece).split()]
    assert sorted(words) == sorted(normalise(" ".join(texts)).split())


@pytest.mark.parametrize(
    ("text", "target", "place"),
    [
        ("One. Two. Three.", 6, 5),
        ("One. Two. Three.", 8, 10),
        ('He said: "Go." Then he went. End', 12, 15),
        ("heading\n\nThe text", 3, 9),
        ("no sentence end here", 10, 12),
        ("nospaceatall", 5, 5),
        ("他去了。“你好！”她说。", 5, 4),
    ],
)
def test_nearest_end(text, target, place):
    assert nearest_end(text, target, 1, len(text)) == place


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"longer_than": 10_000}, r"longer_than: found 10000; allowed: less than 2,490, .* no end would be held out"),
        ({"valid": 0.45, "test": 0.4, "longer_than": 2000}, r"the 1 tales longer than 2,000 characters have 2,490"),
        ({"valid": 9000, "test": 1}, r"the train split would be empty"),
        ({"longer_than": 1}, r"a text of 3 characters is too short"),
    ],
)
def test_ends_that_cannot_be_held_out(values, problem):
    texts = [tale("wolf", 100), tale("king", 20), tale("fox", 30)]
    with pytest.raises(AnamnesisError, match=problem):
        hold_out(["ab\n"] * (values.get("longer_than") == 1) + texts, **values)


def test_ends_of_a_corpus(read):
    split = {"by": "ends", "longer_than": 300, "valid": 0.1, "test": 0.1}
    files = [
        (f"{number}.json", json.dumps([tale(f"{number}-{n}", 20 + n) for n in range(size)]))
        for number, size in enumerate((5, 4))
    ]
    splits, counts = read(TALES | {"take": [3, 2], "split": split}, *files)
    assert [text.split()[1] for text in splits["train"]] == ["0-0", "0-1", "0-2", "1-0", "1-1"]
    assert counts["train"]["removed_as_duplicates"] == 0
    assert [counts[name]["documents"] for name in SPLITS] == [5, 5, 5]
    with pytest.raises(AnamnesisError, match=r"^split.by: found 'ends'; allowed: texts"):
        read(TALES | {"split": split}, (*files[0], "test"))
    for keys, problem in (
        ({"by": "ends"}, "`by: ends` needs `longer_than`"),
        ({"longer_than": 10}, "`longer_than` needs `by: ends`"),
        ({"by": "ends", "longer_than": 10, "seed": 1}, "`by: ends` draws nothing"),
    ):
        with pytest.raises(ValueError, match=problem):
            read(TALES | {"split": keys})
