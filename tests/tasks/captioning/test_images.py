"""Images of several digits, drawn again by loops over digits and pixels."""

from dataclasses import replace

import numpy as np
import pytest

from anamnesis.data.stores.images import Images, open_images
from anamnesis.tasks.captioning.model.images import MARGIN, draw_images, draw_layout, open_captioned, render, width
from anamnesis.tasks.captioning.settings import DigitImages

SETTINGS = DigitImages(train=40, valid=30, test=50, noise=0.0)


@pytest.fixture(scope="module")
def digits(toys):
    return toys.tokens("captioning-lstm")


def interpolated(image, y, x):
    """Bilinear interpolation, white outside."""
    top, left, total = int(np.floor(y)), int(np.floor(x)), 0.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < 8 and 0 <= column < 8:
                total += image[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


@pytest.mark.parametrize("augmented", [False, True])
def test_images_are_those_of_a_loop(digits, augmented):
    originals = open_images(digits, "train").pixels / 16
    settings = DigitImages(shear=0.3, zoom=0.2, shift=1)
    layout = draw_layout(np.random.default_rng(4), 12, len(originals), settings, augmented)
    found = render(layout, originals, width(4))
    assert found.shape == (12, 12, 42)
    expected = np.zeros(found.shape)
    for image in range(12):
        for place in range(layout.counts[image]):
            original = originals[layout.originals[image, place]]
            first = int(np.floor(layout.lefts[image, place])) - MARGIN
            for row in range(12):
                for column in range(max(first, 0), min(first + 13, 42)):
                    down = row - layout.tops[image, place] - 3.5
                    right = column - layout.lefts[image, place] - 3.5 + layout.shears[image, place] * down
                    y, x = down / layout.zooms[image, place, 0] + 3.5, right / layout.zooms[image, place, 1] + 3.5
                    value = layout.inks[image, place] * interpolated(original, y, x)
                    expected[image, row, column] = max(expected[image, row, column], value)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_validation_and_test_images_are_the_digits_of_their_split_side_by_side(digits, split):
    images = open_captioned(digits, split, SETTINGS)
    assert images.pixels.shape == (getattr(SETTINGS, split), 12, 42)
    originals = open_images(digits, split)
    grey = np.rint(originals.pixels / 16 * 255).astype(int)
    known = {(int(label), each.tobytes()) for label, each in zip(originals.labels, grey, strict=True)}
    for pixels, shown, count in zip(images.pixels.astype(int), images.digits, images.counts, strict=True):
        left = 0
        for digit in shown[:count]:
            # After a gap of 0 to 2 pixels, and 1 to 3 from the top: one of the split's originals of that digit.
            spots = [(top, gap) for top in (1, 2, 3) for gap in (0, 1, 2)]
            squares = [(gap, pixels[top : top + 8, left + gap : left + gap + 8]) for top, gap in spots]
            fitting = [gap for gap, square in squares if (int(digit), square.tobytes()) in known]
            assert fitting
            left += fitting[0] + 8
        assert not pixels[:, left + 2 :].any()


def test_images_depend_on_the_seed_and_on_the_settings_of_their_split(digits):
    noisy = SETTINGS.model_copy(update={"noise": 0.05})
    first, again, other = (
        open_captioned(digits, "train", noisy.model_copy(update={"seed": seed})).sha256() for seed in (1, 1, 2)
    )
    assert first == again != other
    plain = SETTINGS.model_copy(update={"train": 7, "zoom": 0.0, "shear": 0.0, "shift": 0.0, "fading": 0.0})
    for split in ("valid", "test"):
        same = open_captioned(digits, split, plain).sha256()
        assert same == open_captioned(digits, split, SETTINGS).sha256()
    images = open_captioned(digits, "train", plain)
    assert len(images) == 7
    assert set(np.unique(images.pixels)) <= set(np.rint(np.arange(17) / 16 * 255).astype(int).tolist())


def test_all_counts_and_digits_occur(digits):
    images = open_captioned(digits, "train", DigitImages(train=400, shortest=1, longest=3))
    assert np.bincount(images.counts, minlength=4)[0] == 0
    assert all(np.bincount(images.counts)[1:] > 90)
    assert set(np.unique(images.digits)) == set(range(10))
    assert images[5:7].captions() == images.captions()[5:7]


def test_the_digest_covers_pixels_and_captions(digits):
    images = open_captioned(digits, "test", SETTINGS)
    pixels, shown, ignored = images.pixels.copy(), images.digits.copy(), images.digits.copy()
    pixels[3, 4, 5] ^= 1
    shown[3, 0] = (shown[3, 0] + 1) % 10
    ignored[np.arange(ignored.shape[1]) >= images.counts[:, None]] = 0
    variants = (images, replace(images, pixels=pixels), replace(images, digits=shown))
    assert len({each.sha256() for each in variants}) == 3
    assert replace(images, digits=ignored).sha256() == images.sha256()


def test_noise_has_its_standard_deviation():
    grey = Images(np.full((1, 8, 8), 8, np.uint8), np.zeros(1, np.uint8))
    images = draw_images(grey, DigitImages(test=200, noise=0.1), "test")
    inside = images.pixels[:, 4:9, 2:7].astype(float) / 255
    assert inside.mean() == pytest.approx(0.5, abs=0.01)
    assert inside.std() == pytest.approx(0.1, rel=0.05)
