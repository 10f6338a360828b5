"""What the page says of captions: images with what each experiment reads, and exact match by number of digits."""

import base64
import re
import shutil

import pytest

from anamnesis.errors import AnamnesisError
from anamnesis.report import captioning, leaderboard, results


@pytest.fixture
def copied(boards, tmp_path):
    return shutil.copytree(boards, tmp_path / "project")


def read(root):
    rows = [row for row in leaderboard.table(root) if row.result.task == "caption"]
    return captioning.captions(root, rows, [entry.experiment for entry in results.load(root).results])


def test_images_stand_in_the_page_with_their_reference_and_every_caption(boards, made):
    html = (boards / "reports" / "index.html").read_text(encoding="utf-8")
    sources = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="Handwritten digits: ([a-z ]+)">', html)
    assert [words for _, words in sources] == [
        *("three seven one", "two five", "zero nine nine eight", "four six", "one one"),
    ]
    assert [base64.b64decode(source) for source, _ in sources] == [made.picture(number) for number in range(1, 6)]
    assert html[: html.index("<script>")].count("<img ") == 5
    first, second, *_ = read(boards).images
    # The best network first, the baseline last, whatever the names.
    assert [each.name for each in second.said] == ["lstm", "gru", "nearest"]
    assert [each.right for each in first.said] == [True, True, True]
    assert [(each.text, each.right) for each in second.said] == [
        *((("two fiv", False),) * 2),
        ("three seven one", False),
    ]


def test_no_more_images_than_eight(copied, made):
    folder = copied / "predictions" / "captions-lstm"
    words = [f"{a} {b}" for a in ("one", "two", "six") for b in ("one", "two", "six")]
    rows = [f"{each},{each},{each},0,0,0" for each in words]
    folder.joinpath("captions.csv").write_text("\n".join(["reference,caption,greedy,score,greedy_score,edits", *rows]))
    shutil.rmtree(folder / "images")
    (folder / "images").mkdir()
    for number, each in enumerate(words, 1):
        (folder / "images" / f"{number:02}-{each.replace(' ', '-')}.png").write_bytes(made.picture(number))
    images = read(copied).images
    assert [image.reference for image in images] == words[:8]
    # The others were asked for other images.
    assert {said.name for image in images for said in image.said} == {"lstm"}


def test_an_image_that_is_not_its_caption_s_is_refused(copied):
    folder = copied / "predictions" / "captions-lstm" / "images"
    (folder / "02-two-five.png").rename(folder / "02-two-four.png")
    with pytest.raises(AnamnesisError, match=r"02-two-four\.png: not the image of row 2"):
        read(copied)


@pytest.mark.parametrize("content", [b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n" + bytes(70_000)])
def test_what_is_no_small_png_is_refused(copied, content):
    path = copied / "predictions" / "captions-lstm" / "images" / "01-three-seven-one.png"
    path.write_bytes(content)
    with pytest.raises(AnamnesisError, match=r"01-three-seven-one\.png: not a PNG image of at most 65,536 bytes"):
        read(copied)


def test_exact_match_is_drawn_by_number_of_digits(boards):
    figure = read(boards).lengths
    assert figure.legend == [("captions-gru", 0), ("captions-lstm", 1), ("captions-nearest", None)]
    points = figure.spec["layer"][0]["data"]["values"]
    assert [(point["digits"], point["exact_match"]) for point in points if point["experiment"] == "captions-lstm"] == [
        *(("2", 0.99), ("3", 0.97), ("4", 0.95)),
    ]
    assert "captions-nearest 50.0 % (2), 20.0 % (3), 5.0 % (4)" in figure.spec["description"]
    assert "2 digits, 302 images" in figure.spec["description"]
