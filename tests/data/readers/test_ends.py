"""Holding out the ends of the longer texts."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anamnesis import params
from anamnesis.data.readers import stories
from anamnesis.data.readers.ends import held_out, nearest_end
from anamnesis.data.readers.splits import normalise
from anamnesis.data.settings import File, Stories, StoryDraw
from anamnesis.data.sources.sources import Part
from anamnesis.errors import AnamnesisError, ParamsError

NAMES = ("train", "valid", "test")


def tale(name: str, sentences: int) -> str:
    return " ".join(f"The {name} said number {n}." for n in range(sentences)) + "\n"


def ends(**values: Any) -> StoryDraw:
    return StoryDraw(**{"by": "ends", "longer_than": 300, "valid": 0.1, "test": 0.1, **values})


def test_longer_texts_give_their_ends_and_shorter_ones_train():
    texts = [tale("wolf", 100), tale("fox", 5), tale("king", 200), tale("cat", 50)]
    result, lost = held_out(texts, ends(), "tales")
    assert lost == 0
    assert [len(result[name]) for name in NAMES] == [4, 3, 3]
    assert result["train"][1] == texts[1]
    cut = [texts[0], texts[2], texts[3]]
    beginnings = [result["train"][0], *result["train"][2:]]
    for text, *pieces in zip(cut, beginnings, result["valid"], result["test"], strict=True):
        # The three pieces in this order are the text: the very end tests.
        assert " ".join(piece.strip() for piece in pieces) == text.strip()
        assert all(piece.endswith(".\n") for piece in pieces)
        # Each long text gives in proportion to its length, to within a sentence.
        share = 0.1 * sum(map(len, texts)) / sum(map(len, cut))
        assert abs(len(pieces[2]) - share * len(text)) <= 30
        assert abs(len(pieces[1]) - share * len(text)) <= 60
    total = sum(map(len, texts))
    for name in ("valid", "test"):
        assert sum(map(len, result[name])) == pytest.approx(0.1 * total, rel=0.1)


def test_whole_numbers_are_characters():
    result, _ = held_out([tale("wolf", 100), tale("king", 100)], ends(valid=500, test=1000), "tales")
    assert sum(map(len, result["valid"])) == pytest.approx(500, abs=60)
    assert sum(map(len, result["test"])) == pytest.approx(1000, abs=60)


def test_equal_texts_are_on_one_side_only():
    wolf, king = tale("wolf", 100), tale("king", 100)
    # A longer copy, so that copies would be cut at other places.
    copy = wolf.upper().replace(" ", "  \n")
    result, lost = held_out([wolf, copy, king, wolf], ends(), "tales")
    assert lost == 2
    everything = {name: {normalise(s) for text in result[name] for s in re.split(r"(?<=\.)\s", text)} for name in NAMES}
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not (everything[one] & everything[other]) - {""}
    assert result == held_out([wolf, king], ends(), "tales")[0]


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=12),
    valid=st.floats(0.02, 0.3),
    test=st.floats(0.02, 0.3),
)
def test_nothing_is_lost_and_no_split_empty(lengths, valid, test):
    texts = [tale(f"{number}th", length) for number, length in enumerate(lengths)]
    try:
        result, _ = held_out(texts, ends(longer_than=400, valid=valid, test=test), "tales")
    except AnamnesisError:
        # Only where so much is wanted of so few that nothing of them is left.
        assert max(map(len, texts)) <= 400 or (valid + test) * sum(map(len, texts)) >= 0.9 * sum(
            len(text) for text in texts if len(text) > 400
        )
        return
    assert all(result.values())
    whole = normalise(" ".join(texts))
    assert sorted(" ".join(normalise(piece) for name in NAMES for piece in result[name]).split()) == sorted(
        whole.split()
    )


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
def test_where_a_text_is_cut(text, target, place):
    assert nearest_end(text, target, 1, len(text)) == place


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"longer_than": 10_000}, r"longer_than: found 10000; allowed: less than 2,490, .* no end would be held out"),
        (
            {"valid": 0.45, "test": 0.4, "longer_than": 2000},
            r"the 1 tales longer than 2,000 characters have 2,490.*: nothing of",
        ),
        ({"valid": 9000, "test": 1}, r"the train split would be empty"),
    ],
)
def test_what_cannot_be_held_out(values, problem):
    with pytest.raises(AnamnesisError, match=problem) as caught:
        held_out([tale("wolf", 100), tale("king", 20), tale("fox", 30)], ends(**values), "tales")
    assert "\n" not in str(caught.value)


def test_a_text_too_short_for_three_pieces():
    with pytest.raises(AnamnesisError, match=r"a text of 3 characters is too short"):
        held_out(["ab\n", tale("wolf", 10)], ends(longer_than=1), "tales")


def collections(folder: Path, *sizes: int) -> list[Part]:
    result = []
    for number, size in enumerate(sizes):
        path = folder / f"{number}.json"
        path.write_text(json.dumps([tale(f"{number}-{n}", 20 + n) for n in range(size)]))
        result.append(Part(path.name, path, ""))
    return result


def entry(**values: Any) -> Stories:
    return Stories(reader="tales", source=File(kind="file", path="x"), **values)


def test_the_first_texts_of_each_file(tmp_path):
    counts = stories.read(entry(take=[3, 2], split=ends()), collections(tmp_path, 5, 4), tmp_path)
    train = (tmp_path / "train.txt").read_text().split("\f\n")
    assert [text.split()[1] for text in train] == ["0-0", "0-1", "0-2", "1-0", "1-1"]
    assert counts["train"]["removed_as_duplicates"] == 0
    assert [counts[name]["documents"] for name in NAMES] == [5, 5, 5]
    for name in ("valid", "test"):
        assert (tmp_path / f"{name}.txt").read_text().count("\n\f\n") == 4


def test_taking_more_than_there_is(tmp_path):
    parts = collections(tmp_path, 5, 4)
    with pytest.raises(AnamnesisError, match=r"^take: found 6; allowed: at most 4, as many as 1.json has$"):
        stories.read(entry(take=[5, 6]), parts, tmp_path)
    with pytest.raises(AnamnesisError, match=r"^take: found 1 numbers; allowed: 2, one for each file$"):
        stories.read(entry(take=[5]), parts, tmp_path)


def test_ends_of_a_published_split(tmp_path):
    (part,) = collections(tmp_path, 5)
    with pytest.raises(AnamnesisError, match=r"^split.by: found 'ends'; allowed: texts"):
        stories.read(entry(split=ends()), [Part(part.name, part.path, "", "test")], tmp_path)


def test_straight_quotes(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps([f"‘I’m {n},’ said “he”." for n in range(3)]))
    stories.read(
        entry(minimum=2, straight_quotes=True, split=StoryDraw(valid=1, test=1)),
        [Part("t.json", tmp_path / "t.json", "")],
        tmp_path,
    )
    found = sorted((tmp_path / f"{name}.txt").read_text() for name in NAMES)
    assert found == [f"""'I'm {n},' said "he".\n""" for n in range(3)]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"split": {"by": "ends"}}, "split: `by: ends` needs `longer_than`"),
        ({"split": {"longer_than": 10}}, "split: `longer_than` needs `by: ends`"),
        ({"split": {"by": "ends", "longer_than": 10, "seed": 1}}, "split: `by: ends` draws nothing"),
        ({"split": {"by": "ends", "longer_than": 0}}, "split.longer_than: found 0; allowed: at least 1"),
        ({"split": {"by": "end"}}, "split.by: found 'end'; allowed: "),
        ({"take": [0]}, "take.0: found 0; allowed: at least 1"),
        ({"take": 20}, "take: found 20; allowed: a list"),
        ({"take": []}, "take: found a list; allowed: at least 1 entries"),
    ],
)
def test_refused_by_the_schema(values, problem):
    corpus = {"reader": "tales", "source": {"kind": "file", "path": "x"}, **values}
    content = {"profile": "laptop", "corpora": {}, "own_corpora": {"mine": corpus}, "tokens": {}, "experiments": {}}
    with pytest.raises(ParamsError) as caught:
        params.check(content)
    assert str(caught.value).startswith(f"corpora.yaml: own_corpora.mine.{problem}")
    assert "\n" not in str(caught.value)
