"""Videos as GIF files: a video is read as it was written, and any other file is refused in one line."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.video.evaluation import gif


def video(frames=5, size=14):
    """Every level of grey, most of them light."""
    random = np.random.default_rng(frames)
    made = (255 * random.random((frames, size, size)) ** 3).astype(np.uint8)
    made.ravel()[:256] = np.arange(256) if made.size >= 1000 else made.ravel()[:256]
    return made


def saved(pictures, **options):
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], **options)
    return file.getvalue()


@pytest.mark.parametrize(("frames", "size", "scale"), [(2, 9, 1), (12, 20, 8), (30, 14, 3)])
def test_a_video_comes_back_as_it_was(tmp_path, frames, size, scale):
    made = video(frames, size)
    data = gif.encode(made, scale)
    assert data == gif.encode(made.copy(), scale)
    (tmp_path / "video.gif").write_bytes(data)
    assert (gif.read(tmp_path / "video.gif", size) == made).all()
    with Image.open(io.BytesIO(data)) as image:
        assert (image.size, image.n_frames, image.info["loop"]) == ((size * scale, size * scale), frames, 0)


def test_frames_that_hardly_differ_or_not_at_all():
    made = np.repeat(video(1), 4, 0)
    made[2, 3, 4] ^= 255
    found = gif.decode(gif.encode(made), 14, "video")
    # Pillow joins equal frames to one that lasts longer.
    assert [frame.tolist() for frame in found] == [made[0].tolist(), made[2].tolist(), made[3].tolist()]


def test_other_pictures_of_the_same_video():
    made = video()
    pictures = [Image.fromarray(255 - frame) for frame in made]
    large = [picture.resize((42, 42), Image.Resampling.NEAREST) for picture in pictures]
    coloured = [picture.convert("RGB") for picture in pictures]
    negative = [Image.fromarray(frame) for frame in made]
    for variant in (pictures, large, coloured, negative):
        assert (gif.decode(saved(variant), 14, "video") == made).all()


def test_a_picture_is_made_smaller_by_means():
    random = np.random.default_rng(3)
    large = random.integers(100, 256, (2, 28, 28), dtype=np.uint8)
    found = gif.decode(saved([Image.fromarray(frame) for frame in large]), 14, "video")
    for frame in range(2):
        for row in range(14):
            for column in range(14):
                square = large[frame, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
                assert 255 - found[frame, row, column] == np.rint(square.sum() / 4)


def picture(width, height, dot=0):
    made = Image.new("L", (width, height), 255)
    ImageDraw.Draw(made).point((dot, 0), 0)
    return made


@pytest.mark.parametrize(
    ("pictures", "reason"),
    [
        ([picture(14, 14)], "found a single frame; allowed: 2 to 1,000"),
        ([picture(14, 28), picture(14, 28, 1)], "found a picture of 14 x 28; allowed: 14 x 14"),
        ([picture(15, 15), picture(15, 15, 1)], "found a picture of 15 x 15"),
        ([picture(2058, 2058), picture(2058, 2058, 1)], r"found a picture of 2058 x 2058; .* up to 2,048"),
        ([picture(14, 14, number % 2) for number in range(1001)], "found more than 1,000 frames"),
    ],
)
def test_videos_that_do_not_fit(pictures, reason):
    with pytest.raises(AnamnesisError, match=reason) as caught:
        gif.decode(saved(pictures), 14, "mine.gif")
    assert str(caught.value).startswith("mine.gif: ")
    assert "\n" not in str(caught.value)


def test_files_that_are_no_videos_or_too_large(tmp_path, monkeypatch):
    png = io.BytesIO()
    picture(14, 14).save(png, "PNG")
    for data in (b"", b"GIF89a", b"hello", png.getvalue(), gif.encode(video())[:60]):
        with pytest.raises(AnamnesisError, match=r"^x: not a GIF file, or a damaged one$"):
            gif.decode(data, 14, "x")
    with pytest.raises(AnamnesisError, match=r"no\.gif: cannot be read"):
        gif.read(tmp_path / "no.gif", 14)
    path = tmp_path / "video.gif"
    path.write_bytes(gif.encode(video(), 1))
    monkeypatch.setattr(gif, "LARGEST", path.stat().st_size)
    gif.read(path, 14)
    monkeypatch.setattr(gif, "LARGEST", path.stat().st_size - 1)
    with pytest.raises(AnamnesisError, match="larger than"):
        gif.read(path, 14)


def test_a_header_that_asks_for_gigabytes_is_refused_before_it_is_obeyed():
    data = bytearray(gif.encode(video(), 1))
    data[6:10] = b"\xff\xff\xff\xff"
    with pytest.raises(AnamnesisError, match=r"found a picture of|damaged"):
        gif.decode(bytes(data), 14, "x")
    # The second frame asks for more than the field.
    plain = bytearray(gif.encode(video(2), 1))
    place = plain.rindex(b"\x2c\x00\x00\x00\x00\x0e\x00\x0e\x00")
    plain[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(AnamnesisError, match=r"found a picture of 65535 x 65535|damaged"):
        gif.decode(bytes(plain), 14, "x")


def test_any_damaged_byte_is_a_video_or_one_line():
    data = gif.encode(video(3, 9), 1)
    random, lines, videos = np.random.default_rng(6), [], []
    for _ in range(400):
        damaged = bytearray(data)
        for place in random.integers(len(data), size=random.integers(1, 4)):
            damaged[place] = random.integers(256)
        try:
            found = gif.decode(bytes(damaged), 9, "x")
        except AnamnesisError as error:
            lines.append(str(error))
        else:
            videos.append((found.dtype, found.shape[1:]))
    assert len(videos) > 10
    assert len(lines) > 10
    assert set(videos) == {(np.dtype(np.uint8), (9, 9))}
    assert not any("\n" in line for line in lines)
