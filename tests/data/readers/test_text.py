"""Running text: canonical form, begin and end, and splits that lose nothing."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anamnesis.data.readers import canonical, text
from anamnesis.data.text import blocks
from anamnesis.errors import AnamnesisError

TEXT = {"reader": "text", "minimum": 2}


@pytest.fixture
def run(read):
    """A function that reads one text, or one for each split: the text of each split."""

    def _run(data, **keys):
        files = data if isinstance(data, dict) else {None: data}
        splits, _ = read(TEXT | keys, *(("x", content, split) for split, content in files.items()))
        return {name: "\f\n".join(texts) for name, texts in splits.items()}

    return _run


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    content=st.text(st.sampled_from("ab é\n文😀"), min_size=20, max_size=300),
    valid=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
)
def test_the_splits_joined_are_the_text(run, content, valid, test):
    found = run(content, split={"valid": valid, "test": test})
    assert "".join(found.values()) == content
    assert all(found.values())


def test_cuts_come_after_paragraphs_close_to_the_sizes(run):
    content = "".join(f"Line {number} of the text.\nIts second line.\n\n" for number in range(500))
    found = run(content, split={"valid": 0.1, "test": 0.2})
    assert found["train"].endswith("\n\n")
    assert found["valid"].endswith("\n\n")
    assert len(found["test"]) / len(content) == pytest.approx(0.2, abs=0.01)
    assert len(found["valid"]) / len(content) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("block", [1, 5, 2**20])
def test_sizes_count_characters_and_not_bytes(run, monkeypatch, block):
    monkeypatch.setattr(text, "BLOCK", block)
    content = "a" * 1500 + "三" * 1000 + "é" * 500
    found = run(content, split={"valid": 700, "test": 800})
    assert found == {"train": content[:1500], "valid": content[1500:2200], "test": content[2200:]}
    found = run(content[::-1], limit=1700, split={"valid": 0.25, "test": 0.25})
    assert "".join(found.values()) == content[::-1][:1700]
    assert [len(part) for part in found.values()] == [850, 425, 425]


@pytest.mark.parametrize("end", ["\n\n", "\n", " ", "x"])
def test_a_small_split_is_not_cut_down_further(run, end):
    for place in range(2, 40, 3):
        content = "x" * (500 - place) + end + "x" * place
        found = run(content, split={"valid": 0.9, "test": 5})
        assert 4 <= len(found["test"]) <= 5
        assert "".join(found.values()) == content


def test_canonical_form(run, monkeypatch):
    monkeypatch.setattr(blocks.blocks, "__defaults__", (len, 3, None))
    found = run("\ufeffa\r\nb\rc\n\ufeffd\r\r\n é文😀\nlast line\nmore\n")
    assert "".join(found.values()) == "a\nb\nc\n\ufeffd\n\n é文😀\nlast line\nmore\n"


@pytest.mark.parametrize("block", [1, 2, 3, 5, 2**20])
@pytest.mark.parametrize("data", [b"abc\xffdef", "é".encode() * 3 + b"\xe6\x96", b"ab\xe6\x96cd", b"\xef\xbb\xbfa\x80"])
def test_the_offset_of_bytes_that_are_not_utf8(run, monkeypatch, block, data):
    monkeypatch.setattr(blocks.blocks, "__defaults__", (len, block, None))
    with pytest.raises(UnicodeDecodeError) as reference:
        data.decode()
    with pytest.raises(AnamnesisError, match=f"x: not UTF-8: byte 0x.. at offset {reference.value.start}$"):
        run(data)


def test_begin_end_and_lines_to_leave_out(run):
    body = "I. Not a heading, it goes on\nin this line.\n" * 30
    content = f"Title\r\nI. One\n{body}II. Two\n{body}XIV. Four words of it\nThe end."
    found = run(content, leave_out=r"[IVX]+\. \w+|.*words of it", begin="I. Not", end="The end")
    assert "".join(found.values()) == f"{body}{body}The end"
    for keys in ({"begin": "Nowhere"}, {"end": "Nowhere"}):
        with pytest.raises(AnamnesisError, match=r"'Nowhere', does not occur in the text"):
            run(content, **keys)
    with pytest.raises(ValueError, match="a regular expression; this one is invalid: missing"):
        run(content, leave_out="(I")


@given(string=st.text("ab\n", max_size=30), size=st.integers(1, 7))
def test_lines_are_left_out_wherever_a_block_ends(string, size):
    parts = [string[start : start + size] for start in range(0, len(string), size)]
    *lines, last = string.split("\n")
    expected = "".join(f"{line}\n" for line in lines if not re.fullmatch("a+", line))
    expected += "" if re.fullmatch("a+", last) else last
    assert "".join(text.without_lines(parts, re.compile("a+"))) == expected


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("*** START OF THE PROJECT GUTENBERG EBOOK X ***", "*** END OF THE PROJECT GUTENBERG EBOOK X ***"),
        ("***START OF THIS PROJECT GUTENBERG EBOOK X***", "End of Project Gutenberg's X"),
    ],
)
def test_the_licence_of_project_gutenberg_is_left_out(run, start, end):
    body = "CHAPTER I\n\n" + "Some words.\n" * 30 + "END"
    found = run(f"The Project Gutenberg eBook\r\n{start}\r\n\r\n\r\n{body}\n\n{end}\nLicence")
    assert "".join(found.values()) == body


@pytest.mark.parametrize(
    ("data", "keys", "problem"),
    [
        ("", {}, "the text is empty"),
        ("abc\n", {"minimum": 1000}, "only 4 characters; at least 1,000"),
        ("line\n" * 100, {"split": {"valid": 300, "test": 300}}, "the train split would be empty"),
        ({"train": "abc", "valid": "", "test": "x"}, {}, "the valid split would be empty"),
    ],
)
def test_texts_that_are_too_short(run, data, keys, problem):
    with pytest.raises(AnamnesisError, match=problem):
        run(data, **keys)


def test_published_splits_stay_and_a_missing_one_is_the_end_of_train(run):
    given = {"train": " the <unk> cat \n sat", "valid": "x\n", "test": "y"}
    assert run(given) == given
    train = "A line.\n" * 100
    found = run({"train": train, "test": "other"}, split={"valid": 0.1, "test": 0.3})
    assert found["test"] == "other"
    assert found["train"] + found["valid"] == train
    assert len(found["valid"]) == pytest.approx(80, abs=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    documents=st.lists(st.text(st.sampled_from("a\n é"), max_size=8).map(lambda text: text + "\n"), min_size=1),
    block=st.integers(1, 9),
)
def test_counts(tmp_path, documents, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical, "BLOCK", block + 2)  # a separator has two characters
        canonical.write_documents(tmp_path, "train", documents)
        counts = canonical.count(tmp_path / "train.txt")
    assert counts == {
        "characters": sum(map(len, documents)),
        "lines": sum(text.count("\n") for text in documents),
        "documents": len(documents),
    }
    (tmp_path / "x").write_text("a\nb")
    assert canonical.count(tmp_path / "x") == {"characters": 3, "lines": 2, "documents": 1}
