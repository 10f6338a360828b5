"""Image files of users: those of the evaluation are read exactly, from others the digits are cut out."""

import io
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps
from sklearn.datasets import load_digits

from anamnesis.data.stores.images import Images
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.captioning import pictures
from anamnesis.tasks.captioning.evaluation import as_png
from anamnesis.tasks.captioning.model.images import draw_images
from anamnesis.tasks.captioning.settings import DigitImages


def as_file(image, kind="PNG"):
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def written(digits, size=10, gap=12, ink=0, paper=255):
    """A sheet with real digits side by side, each pixel `size` pixels wide."""
    found = load_digits()
    sheet = np.zeros((size * 20, sum(8 * size + gap for _ in digits) + 15 * size))
    left = 5 * size
    for digit in digits:
        each = np.kron(found.images[list(found.target).index(digit)] / 16, np.ones((size, size)))
        sheet[4 * size : 12 * size, left : left + 8 * size] = each
        left += 8 * size + gap
    return Image.fromarray((paper + (ink - paper) * sheet).astype(np.uint8))


@pytest.mark.parametrize("change", ["as it is", "light on dark", "one to one", "transparent", "colours"])
def test_files_of_the_evaluation_are_read_exactly(change):
    pixels, labels = load_digits(return_X_y=True)
    digits = Images(pixels[:100].reshape(-1, 8, 8).astype(np.uint8), labels[:100].astype(np.uint8))
    for pixels in draw_images(digits, DigitImages(test=40), "test").pixels:
        image = Image.open(io.BytesIO(as_png(pixels)))
        assert image.size == (8 * 42, 8 * 12)
        match change:
            case "light on dark":
                image = ImageOps.invert(image)
            case "one to one":
                image = image.resize((42, 12), Image.Resampling.NEAREST)
            case "transparent":
                # Black ink on a transparent background.
                image = Image.merge("LA", [Image.new("L", image.size, 0), ImageOps.invert(image)])
            case "colours":
                image = image.convert("RGB")
        found = pictures.read_image(as_file(image), "it", 4)
        np.testing.assert_allclose(found.astype(int), pixels, atol=1 if change == "transparent" else 0)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM"])
def test_size_paper_and_format_do_not_matter(kind):
    plain = pictures.read_image(as_file(written([3, 7, 1])), "it", 4).astype(int)
    assert plain.shape == (12, 42)
    assert plain.max() == 255
    for other in (
        written([3, 7, 1], size=23),
        written([3, 7, 1], gap=70),
        written([3, 7, 1], ink=255, paper=0),
        written([3, 7, 1], ink=60, paper=200),
        ImageOps.expand(written([3, 7, 1]), 111, 255),
    ):
        found = pictures.read_image(as_file(other, kind), "it", 4).astype(int)
        assert np.abs(found - plain).mean() < 12


def test_digits_are_set_as_in_training():
    found = pictures.read_image(as_file(written([0, 8, 5, 2], gap=40)), "it", 4)
    # Four figures of at most eight columns, one free column or more before each.
    inked = np.flatnonzero((found > 100).any(0))
    runs = np.split(inked, np.flatnonzero(np.diff(inked) > 1) + 1)
    assert len(runs) == 4
    assert all(len(run) <= 8 for run in runs)
    assert inked[0] > 0
    assert int(np.ptp(np.flatnonzero((found[:, runs[0]] > 60).any(1)))) + 1 == 8


def test_dirt_orientation_and_depth_do_not_matter():
    clean = written([4, 6])
    expected = pictures.read_image(as_file(clean), "it", 4)
    dirty = clean.copy()
    ImageDraw.Draw(dirty).rectangle((3, 150, 8, 155), fill=0)
    sideways, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    clean.rotate(90, expand=True).save(sideways, "PNG", exif=exif)
    for content in (as_file(dirty), sideways.getvalue()):
        np.testing.assert_array_equal(pictures.read_image(content, "it", 4), expected)
    deep = as_file(Image.fromarray(np.asarray(clean, np.uint16) * 257))
    np.testing.assert_allclose(pictures.read_image(deep, "it", 4).astype(int), expected, atol=1)


REFUSED = {
    "text": (lambda: b"three seven one", "not an image that can be read; allowed: PNG, JPEG"),
    "an empty sheet": (lambda: as_file(Image.new("L", (99, 50), 255)), "there is nothing in it"),
    "five digits": (lambda: as_file(written([3, 7, 1, 5, 2])), "too wide: .*; allowed: 4 digits"),
    "a line": (lambda: as_file(_line()), "too wide"),
    "too large": (lambda: as_file(Image.new("1", (9_000, 8_000))), "found 9,000 x 8,000 pixels; allowed: at most 60,"),
    "a bomb": (lambda: as_file(Image.new("1", (20_000, 20_000))), "too many pixels; allowed: at most 60,000,000"),
}  # fmt: skip


def _line():
    image = Image.new("L", (400, 60), 255)
    ImageDraw.Draw(image).line((20, 30, 380, 30), fill=0, width=6)
    return image


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_unreadable_files_are_refused(content, said):
    with pytest.raises(AnamnesisError, match=f"^it: {said}") as caught:
        pictures.read_image(content(), "it", 4)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_opened(tmp_path, monkeypatch):
    with pytest.raises(AnamnesisError, match=r"^my\.png: cannot be read: No such file or directory$"):
        pictures.open_image(tmp_path / "my.png", "my.png", 4)
    with pytest.raises(AnamnesisError, match=r"^it: cannot be read: Is a directory$"):
        pictures.open_image(tmp_path, "it", 4)
    monkeypatch.setattr(pictures, "MOST_BYTES", 10)
    (tmp_path / "large.png").write_bytes(b"x" * 11)
    with pytest.raises(AnamnesisError, match=r"^it: too large; allowed: at most 10 bytes$"):
        pictures.open_image(tmp_path / "large.png", "it", 4)


def test_damaged_files_never_raise_anything_else():
    random = np.random.default_rng(2)
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"):
        whole = np.frombuffer(as_file(written([3], size=3), kind), np.uint8)
        for _ in range(60):
            damaged = whole.copy()
            damaged[random.integers(len(whole), size=4)] = random.integers(256, size=4)
            with suppress(AnamnesisError):
                pictures.read_image(damaged.tobytes(), "it", 4)
