"""Running text: canonical form, markers, and cuts that lose nothing."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anamnesis.data.readers import text
from anamnesis.data.settings import Book, Cut, File
from anamnesis.data.sources.sources import Part
from anamnesis.errors import AnamnesisError

SOURCE = File(kind="file", path="x")


def book(**keys) -> Book:
    return Book(reader="text", source=SOURCE, **{"minimum": 2, **keys})


def run(folder: Path, data: bytes | dict[str, bytes], **keys) -> dict[str, str]:
    parts = []
    for split, content in (data if isinstance(data, dict) else {None: data}).items():
        path = folder / f"source-{split}"
        path.write_bytes(content)
        parts.append(Part(path.name, path, "", split))
    out = folder / "out"
    out.mkdir(exist_ok=True)
    text.read(book(**keys), parts, out)
    assert sorted(path.name for path in out.iterdir()) == ["test.txt", "train.txt", "valid.txt"]
    return {name: (out / f"{name}.txt").read_bytes().decode() for name in ("train", "valid", "test")}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    content=st.text(st.sampled_from("ab é\n文😀"), min_size=20, max_size=300),
    valid=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
)
def test_splits_joined_are_the_text(tmp_path, content, valid, test):
    found = run(tmp_path, content.encode(), split=Cut(valid=valid, test=test))
    assert found["train"] + found["valid"] + found["test"] == content
    assert all(found.values())


def test_cuts_come_after_paragraphs_near_the_sizes(tmp_path):
    content = "".join(f"Line {number} of the text.\nIts second line.\n\n" for number in range(500))
    found = run(tmp_path, content.encode(), split=Cut(valid=0.1, test=0.2))
    assert found["train"].endswith("\n\n")
    assert found["valid"].endswith("\n\n")
    assert len(found["test"]) / len(content) == pytest.approx(0.2, abs=0.01)
    assert len(found["valid"]) / len(content) == pytest.approx(0.1, abs=0.01)


def test_sizes_in_characters_count_characters_not_bytes(tmp_path):
    content = "三国\n" * 1000
    found = run(tmp_path, content.encode(), split=Cut(valid=300, test=600))
    assert len(found["valid"]) == pytest.approx(300, abs=3)
    assert len(found["test"]) == pytest.approx(600, abs=3)


@pytest.mark.parametrize("block", [1, 5, 2**20])
def test_sizes_in_characters_where_letters_have_other_lengths_further_on(tmp_path, monkeypatch, block):
    """Half of the characters are a quarter of the bytes: a share of the bytes would be another number of characters."""
    monkeypatch.setattr(text, "BLOCK", block)
    content = "a" * 1500 + "三" * 1000 + "é" * 500
    found = run(tmp_path, content.encode(), split=Cut(valid=700, test=800))
    assert found == {"train": content[:1500], "valid": content[1500:2200], "test": content[2200:]}
    found = run(tmp_path, content[::-1].encode(), split=Cut(valid=0.25, test=0.25))
    assert [len(found[name]) for name in ("train", "valid", "test")] == [1500, 750, 750]


@pytest.mark.parametrize("end", ["\n\n", "\n", " ", "x"])
def test_a_small_split_is_not_cut_down_further(tmp_path, end):
    """As `valid: 0.9, test: 5` asks: a paragraph that ends inside the last five characters leaves none of them out."""
    for place in range(2, 40):
        content = "x" * (500 - place) + end + "x" * place
        found = run(tmp_path, content.encode(), split=Cut(valid=0.9, test=5))
        assert 4 <= len(found["test"]) <= 5
        assert "".join(found.values()) == content


def test_canonical_form(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "BLOCK", 3)
    found = run(tmp_path, "\ufeffa\r\nb\rc\n\ufeffd\r\r\n é文😀\nlast line\nmore\n".encode())
    assert "".join(found.values()) == "a\nb\nc\n\ufeffd\n\n é文😀\nlast line\nmore\n"


@pytest.mark.parametrize("block", [1, 2, 3, 5, 2**20])
@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"abc\xffdef", 3),
        (b"\xff", 0),
        ("é".encode() * 3 + b"\xe6\x96", 6),
        (b"ab\xe6\x96cd", 2),
        (b"\xef\xbb\xbfa\x80", 4),
    ],
)
def test_bytes_that_are_not_utf8_are_located(tmp_path, monkeypatch, block, data, offset):
    monkeypatch.setattr(text, "BLOCK", block)
    with pytest.raises(UnicodeDecodeError) as reference:
        data.decode()
    assert reference.value.start == offset
    with pytest.raises(AnamnesisError, match=f"not UTF-8: the byte at offset {offset} "):
        run(tmp_path, data)


def test_markers(tmp_path):
    content = b"header\nStart here. " + b"middle of it\n" * 20 + b"The end.\nlicence The end."
    found = run(tmp_path, content, begin="Start", end="The end.")
    assert "".join(found.values()) == "Start here. " + "middle of it\n" * 20 + "The end."
    for keys in ({"begin": "Nowhere"}, {"end": "Nowhere"}):
        with pytest.raises(AnamnesisError, match=r"'Nowhere', is not in it"):
            run(tmp_path, content, **keys)


def test_licence_of_project_gutenberg_is_left_out(tmp_path):
    body = "CHAPTER I\n\n" + "Some words.\n" * 30 + "END"
    for start, end in (
        ("*** START OF THE PROJECT GUTENBERG EBOOK X ***", "*** END OF THE PROJECT GUTENBERG EBOOK X ***"),
        ("***START OF THIS PROJECT GUTENBERG EBOOK X***", "End of Project Gutenberg's X"),
    ):
        found = run(tmp_path, f"The Project Gutenberg eBook\r\n{start}\r\n\r\n\r\n{body}\n\n{end}\nLicence".encode())
        assert "".join(found.values()) == body


def test_limit_is_exact_and_comes_before_the_split(tmp_path):
    found = run(tmp_path, ("é" * 9 + "\n").encode() * 100, limit=200)
    assert "".join(found.values()) == ("é" * 9 + "\n") * 20


@pytest.mark.parametrize(
    ("data", "problem"), [(b"", "the text is empty"), (b"abc\n", "only 4 characters; at least 1,000")]
)
def test_empty_and_short_texts(tmp_path, data, problem):
    with pytest.raises(AnamnesisError, match=problem):
        run(tmp_path, data, minimum=1000)


@pytest.mark.parametrize("data", [b"ab", b"a\n"])
def test_a_split_that_would_be_empty(tmp_path, data):
    with pytest.raises(AnamnesisError, match=r"would be empty"):
        run(tmp_path, data)


def test_sizes_larger_than_the_text(tmp_path):
    with pytest.raises(AnamnesisError, match=r"the train split would be empty"):
        run(tmp_path, b"line\n" * 100, split=Cut(valid=300, test=300))


def test_given_splits_stay_as_they_are(tmp_path):
    given = {"train": b" the <unk> cat \n sat", "valid": b"x\n", "test": b"y"}
    assert run(tmp_path, given) == {name: data.decode() for name, data in given.items()}


def test_missing_validation_split_is_the_end_of_train(tmp_path):
    train = b"A line.\n" * 100
    found = run(tmp_path, {"train": train, "test": b"other"}, split=Cut(valid=0.1, test=0.3))
    assert found["test"] == "other"
    assert found["train"] + found["valid"] == train.decode()
    assert len(found["valid"]) == pytest.approx(80, abs=8)


def test_empty_given_split(tmp_path):
    with pytest.raises(AnamnesisError, match=r"the valid split would be empty"):
        run(tmp_path, {"train": b"abc", "valid": b"", "test": b"x"})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    documents=st.lists(st.text(st.sampled_from("a\n é"), max_size=8).map(lambda content: content + "\n"), min_size=1)
)
def test_counts(tmp_path, documents):
    old, text.BLOCK = text.BLOCK, 3
    try:
        text.write_documents(tmp_path, "train", documents)
        found = text.count(tmp_path / "train.txt")
    finally:
        text.BLOCK = old
    assert found == {
        "characters": sum(map(len, documents)),
        "lines": sum(content.count("\n") for content in documents),
        "documents": len(documents),
    }
    assert (tmp_path / "train.txt").read_bytes().decode().split("\f\n") == documents


def test_last_line_without_an_end_counts(tmp_path):
    (tmp_path / "x").write_text("a\nb")
    assert text.count(tmp_path / "x") == {"characters": 3, "lines": 2, "documents": 1}


def test_lines_that_fit_are_left_out_before_the_text_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "BLOCK", 7)
    body = "I. Not a heading, it goes on\nin this line.\n" * 30
    content = f"Title\r\nI. One\n{body}II. Two\n{body}XIV. Four words of it\nThe end."
    found = run(tmp_path, content.encode(), leave_out=r"[IVX]+\. \w+|.*words of it", begin="I. Not", end="The end")
    assert found["train"] + found["valid"] + found["test"] == f"{body}{body}The end"


def test_what_leaves_lines_out_is_a_regular_expression():
    with pytest.raises(ValueError, match="a regular expression; this one is none: missing"):
        book(leave_out="(I")


@given(string=st.text("ab\n", max_size=30), size=st.integers(1, 7))
def test_lines_are_left_out_wherever_a_block_ends(string, size):
    blocks = [string[start : start + size] for start in range(0, len(string), size)]
    kept = [line for line in string.split("\n")[:-1] if not re.fullmatch("a+", line)]
    last = string.split("\n")[-1]
    expected = "".join(f"{line}\n" for line in kept) + ("" if re.fullmatch("a+", last) else last)
    assert "".join(text.without(blocks, re.compile("a+"))) == expected


def test_a_line_of_many_blocks_takes_linear_time():
    """20,000 blocks of 4 kB: joined again for each block, they would be 0.8 terabytes to copy."""
    block = "x" * 4096
    start = time.process_time()
    found = list(text.without((block for _ in range(20_000)), re.compile("y")))
    assert time.process_time() - start < 20
    assert [len(piece) for piece in found] == [20_000 * len(block)]
