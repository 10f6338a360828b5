"""Images of rows of digits, drawn again by loops over digits and pixels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anamnesis.data.stores.images import Images, open_images
from anamnesis.tasks.captioning import rows
from anamnesis.tasks.captioning.settings import Rows

SETTINGS = Rows(train=40, valid=30, test=50, noise=0.0)


@pytest.fixture(scope="module")
def digits(stores: Path) -> dict[str, Images]:
    return {split: open_images(stores / "data" / "tokens" / "digits", split) for split in rows.SPLITS}


def between(image: np.ndarray, y: float, x: float) -> float:
    """Bilinear interpolation, white outside."""
    top, left, total = int(np.floor(y)), int(np.floor(x)), 0.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < 8 and 0 <= column < 8:
                total += image[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


@pytest.mark.parametrize("augmented", [False, True])
def test_images_are_those_of_a_loop(digits: dict[str, Images], augmented: bool) -> None:
    originals = digits["train"].pixels / 16
    plan = rows.planned(np.random.default_rng(4), 12, len(originals), Rows(shear=0.3, zoom=0.2, shift=1), augmented)
    found = rows.drawn(plan, originals, rows.width(4))
    assert found.shape == (12, 12, 42)
    expected = np.zeros(found.shape)
    for image in range(12):
        for place in range(plan.counts[image]):
            original = originals[plan.which[image, place]]
            first = int(np.floor(plan.lefts[image, place])) - rows.MARGIN
            for row in range(12):
                # As far beyond its square as a digit may reach.
                for column in range(max(first, 0), min(first + 13, 42)):
                    down = row - plan.tops[image, place] - 3.5
                    right = column - plan.lefts[image, place] - 3.5 + plan.shears[image, place] * down
                    y, x = down / plan.zooms[image, place, 0] + 3.5, right / plan.zooms[image, place, 1] + 3.5
                    value = plan.inks[image, place] * between(original, y, x)
                    expected[image, row, column] = max(expected[image, row, column], value)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_held_out_images_are_the_digits_themselves_side_by_side(digits: dict[str, Images], split: rows.Split) -> None:
    made = rows.make(digits[split], SETTINGS, split)
    assert made.pixels.shape == (getattr(SETTINGS, split), 12, 42)
    originals = np.rint(digits[split].pixels / 16 * 255).astype(int)
    known = {(int(label), each.tobytes()) for label, each in zip(digits[split].labels, originals, strict=True)}
    for pixels, shown, count in zip(made.pixels.astype(int), made.digits, made.counts, strict=True):
        left = 0
        for digit in shown[:count]:
            # Behind a gap of 0 to 2, and 1 to 3 from the top: one of the split's originals of that digit.
            spots = [(top, gap) for top in (1, 2, 3) for gap in (0, 1, 2)]
            squares = [(gap, pixels[top : top + 8, left + gap : left + gap + 8]) for top, gap in spots]
            fitting = [gap for gap, square in squares if (int(digit), square.tobytes()) in known]
            assert fitting
            left += fitting[0] + 8
        assert not pixels[:, left + 2 :].any()


def test_digits_of_a_split_come_from_that_split_alone(stores: Path, digits: dict[str, Images]) -> None:
    texts = {split: {each.tobytes() for each in digits[split].pixels} for split in rows.SPLITS}
    assert not texts["train"] & (texts["valid"] | texts["test"])
    for split in rows.SPLITS:
        # Other digits in the other splits: the same images.
        blank = Images(np.zeros((3, 8, 8), np.uint8), np.zeros(3, np.uint8))
        assert not rows.make(blank, SETTINGS, split).pixels.any()
        assert rows.make(digits[split], SETTINGS, split).pixels.any()


def test_the_same_images_every_time_and_others_by_another_seed(digits: dict[str, Images]) -> None:
    noisy = SETTINGS.model_copy(update={"noise": 0.05})
    first, again = rows.make(digits["train"], noisy, "train"), rows.make(digits["train"], noisy, "train")
    assert first.sha256() == again.sha256()
    np.testing.assert_array_equal(first.pixels, again.pixels)
    other = rows.make(digits["train"], noisy.model_copy(update={"seed": 2}), "train")
    assert other.sha256() != first.sha256()


def test_another_number_of_training_images_leaves_the_others_as_they_were(digits: dict[str, Images]) -> None:
    changed = SETTINGS.model_copy(update={"train": 7, "zoom": 0.0, "shear": 0.0, "shift": 0.0, "fading": 0.0})
    for split in ("valid", "test"):
        same = rows.make(digits[split], changed, split).sha256()
        assert same == rows.make(digits[split], SETTINGS, split).sha256()
    plain = rows.make(digits["train"], changed, "train")
    assert len(plain) == 7
    assert set(np.unique(plain.pixels)) <= set(np.rint(np.arange(17) / 16 * 255).astype(int).tolist())


def test_numbers_of_digits_and_digits_are_all_there(digits: dict[str, Images]) -> None:
    made = rows.make(digits["train"], Rows(train=400, shortest=1, longest=3), "train")
    assert np.bincount(made.counts, minlength=4).tolist()[0] == 0
    assert all(count > 90 for count in np.bincount(made.counts)[1:])
    assert set(np.unique(made.digits)) == set(range(10))
    assert made[5:7].captions() == made.captions()[5:7]


def test_the_digest_is_of_pixels_and_readings(digits: dict[str, Images]) -> None:
    made = rows.make(digits["test"], SETTINGS, "test")
    pixels, read = made.pixels.copy(), made.digits.copy()
    pixels[3, 4, 5] ^= 1
    read[3, 0] = (read[3, 0] + 1) % 10
    digests = {each.sha256() for each in (made, replace(made, pixels=pixels), replace(made, digits=read))}
    assert len(digests) == 3
    behind = made.digits.copy()
    behind[np.arange(behind.shape[1]) >= made.counts[:, None]] = 0
    assert replace(made, digits=behind).sha256() == made.sha256()


def test_noise_is_as_large_as_it_is_said_to_be() -> None:
    grey = Images(np.full((1, 8, 8), 8, np.uint8), np.zeros(1, np.uint8))
    made = rows.make(grey, Rows(test=200, noise=0.1), "test")
    inside = made.pixels[:, 4:9, 2:7].astype(float) / 255
    assert inside.mean() == pytest.approx(0.5, abs=0.01)
    assert inside.std() == pytest.approx(0.1, rel=0.05)
