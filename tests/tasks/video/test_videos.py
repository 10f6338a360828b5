"""Videos: the same bytes each time, of their split's images, and moving as their labels say."""

import math
from collections import Counter

import numpy as np
import pytest
from pydantic import ValidationError

from anamnesis.data.stores.images import Images
from anamnesis.data.stores.store import open_images
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.video.model.videos import CLASSES, DIRECTIONS, draw_videos, open_videos
from anamnesis.tasks.video.settings import Videos

STEPS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


def videos(**changes):
    return Videos.model_validate({"frames": 7, "size": 16, "train": 200, "valid": 96, "test": 120, **changes})


def dots(count=10):
    """Images with a dot in the upper left corner and one in the lower right: what moves can be seen."""
    pixels = np.zeros((count, 8, 8), np.uint8)
    pixels[:, 0, 0] = pixels[:, 7, 7] = 16
    return Images(pixels, np.arange(count, dtype=np.uint8) % 10)


def corners(made):
    """Where the upper dot is in videos of `dots` without noise: (videos, frames, 2)."""
    count, frames, size, _ = made.shape
    return np.stack(np.divmod(made.reshape(count, frames, -1).argmax(-1), size), -1)


def test_videos_depend_on_the_settings_and_the_split_only(toys):
    folder = toys.tokens("video-cnn")
    first, again = (open_videos(folder, "test", videos()) for _ in range(2))
    assert first.videos.tobytes() == again.videos.tobytes()
    assert first.labels.tolist() == again.labels.tolist()
    assert first.sha256() == again.sha256()
    others = [videos(seed=2), videos(noise=0.2), videos(speed=0.4), videos(size=17), videos(frames=6), videos(test=121)]
    assert len({open_videos(folder, "test", other).sha256() for other in [videos(), *others]}) == 1 + len(others)
    for split in ("train", "valid"):
        assert open_videos(folder, split, videos()).sha256() == open_videos(folder, split, videos(test=7)).sha256()
    one, other = (draw_videos(dots(), 100, videos(), stream) for stream in (0, 1))
    assert one.labels.tolist() != other.labels.tolist()
    assert one.videos.tobytes() != other.videos.tobytes()


def test_the_block_that_is_drawn_at_once_does_not_matter(monkeypatch):
    whole = draw_videos(dots(), 50, videos(), 0)
    monkeypatch.setattr("anamnesis.tasks.video.model.videos.BLOCK", 3 * 7 * 16 * 16)
    assert draw_videos(dots(), 50, videos(), 0).sha256() == whole.sha256()


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_every_video_shows_an_image_of_its_own_split_and_digit(toys, split):
    folder = toys.tokens("video-cnn")
    own = {image.tobytes(): int(label) for image, label in zip(*_images(folder, split), strict=True)}
    made = open_videos(folder, split, videos(noise=0.0, speed=0.2))
    seen = set()
    for video, label in zip(made.videos, made.labels, strict=True):
        found = _cut(video[0], own)
        assert own[found] == label // 8
        seen.add(found)
    # Most images are shown.
    assert len(seen) > 0.85 * len(own)
    for other in {"train", "valid", "test"} - {split}:
        assert not seen & {image.tobytes() for image in _images(folder, other)[0]}


def _images(folder, split):
    images = open_images(folder, split)
    return np.array(images.pixels), np.array(images.labels)


def _cut(frame, known):
    """The image of 8x8 in a frame without noise, looked for at every place."""
    levels = np.rint(frame / 255 * 16).astype(np.uint8)
    [found] = {
        part
        for row in range(len(frame) - 7)
        for column in range(len(frame) - 7)
        if (part := levels[row : row + 8, column : column + 8].tobytes()) in known
        and levels.sum() == levels[row : row + 8, column : column + 8].sum()
    }
    return found


@pytest.mark.parametrize("count", [100, 240, 17])
def test_classes_are_as_even_as_they_can_be(count):
    found = np.bincount(draw_videos(dots(), count, videos(), 0).labels, minlength=80)
    assert (len(found), found.sum()) == (80, count)
    assert found.max() - found.min() <= 1


@pytest.mark.parametrize(("frames", "speed", "size"), [(12, 0.5, 20), (2, 1.0, 12), (4, 2.0, 16)])
def test_digits_move_as_their_labels_say(frames, speed, size):
    made = draw_videos(dots(), 400, videos(frames=frames, speed=speed, size=size, noise=0.0), 0)
    places = corners(made.videos)
    # The second dot is where it should be: nothing was cut off or turned.
    video, frame = np.ogrid[:400, :frames]
    assert (made.videos[video, frame, places[..., 0] + 7, places[..., 1] + 7] == 255).all()
    for label, way in zip(made.labels, places, strict=True):
        direction = CLASSES[label].split()[1]
        step = np.sum([STEPS[part] for part in direction.split("-")], axis=0)
        for axis in (0, 1):
            # Some start between two pixels explains every place.
            low, high = 0.0, 1.0
            for time in range(frames):
                moved = speed * step[axis] * (time - frames // 2)
                low = max(low, way[time][axis] - way[frames // 2][axis] - moved)
                high = min(high, way[time][axis] + 1 - way[frames // 2][axis] - moved)
            assert low < high


def test_the_direction_does_not_depend_on_the_middle_frame_but_on_the_motion():
    made = draw_videos(dots(), 8000, videos(frames=12, size=20, noise=0.0), 0)
    places, directions = corners(made.videos), made.labels % 8
    cells = places[:, 6, 0] * 20 + places[:, 6, 1]
    used = np.unique(cells)
    # The same 49 places for every direction, each as often: a test of independence of 49 x 8 counts.
    counts = np.zeros((len(used), 8))
    np.add.at(counts, (np.searchsorted(used, cells), directions), 1)
    assert len(used) == 49
    assert counts.min() > 0
    expected = counts.sum(1, keepdims=True) * counts.sum(0) / counts.sum()
    statistic, freedom = ((counts - expected) ** 2 / expected).sum(), 48 * 7
    # A chi-squared variable is this far from its mean once in tens of thousands of tests.
    assert abs(statistic - freedom) < 4 * math.sqrt(2 * freedom)
    # The way from the first frame to the last shows the direction: the sign of each axis.
    signs = np.sign(places[:, -1] - places[:, 0])
    assert (signs == np.array(list(DIRECTIONS.values()))[directions]).all()


def test_noise_is_as_strong_as_it_says():
    grey = Images(np.full((10, 8, 8), 8, np.uint8), np.arange(10, dtype=np.uint8))
    made = draw_videos(grey, 400, videos(noise=0.1, frames=2, size=10, speed=0.01), 0)
    # Where the digit always is, half black: the noise is not cut off there.
    inside = made.videos[:, :, 1:8, 1:8] / 255
    assert inside.mean() == pytest.approx(0.5, abs=0.005)
    assert inside.std() == pytest.approx(0.1, rel=0.03)
    assert set(np.unique(draw_videos(grey, 9, videos(noise=0.0), 0).videos)) == {0, 128}


def test_videos_are_evenly_spread_over_the_images_of_a_digit():
    # The upper row says which image it is.
    pixels = np.zeros((40, 8, 8), np.uint8)
    pixels[:, 0, 0], pixels[:, 1, 1] = 16, np.arange(40) % 16
    made = draw_videos(
        Images(pixels, np.repeat(np.arange(10, dtype=np.uint8), 4)), 4000, videos(noise=0.0, frames=2), 0
    )
    seen = Counter()
    for video, label, (row, column) in zip(made.videos, made.labels, corners(made.videos)[:, 0], strict=True):
        seen[label // 8, round(video[0, row + 1, column + 1] / 255 * 16)] += 1
    assert len(seen) == 40
    assert min(seen.values()) > 60


def test_a_digit_that_no_image_shows():
    with pytest.raises(AnamnesisError, match="found no image of the digit 7"):
        draw_videos(dots(7), 80, videos(), 0)


def test_a_digit_must_stay_inside():
    assert videos(size=8 + 2 * 2, frames=7, speed=0.5).reach == 2
    with pytest.raises(ValidationError, match=r"found size 11: .* allowed: size 12 or more"):
        videos(size=11, frames=7, speed=0.5)
