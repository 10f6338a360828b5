"""Heat maps of attention: each weight at its place, in blocks and in a picture."""

import io

import numpy as np
import pytest

from anamnesis.tasks.translation import heatmap
from anamnesis.tasks.translation.evaluation.attention import AttentionMap


def test_a_block_is_in_the_row_of_its_target_and_the_column_of_its_source() -> None:
    found = AttentionMap(["the", "cat"], ["de", "kater", "</s>"], np.array([[0.8, 0.2], [0.3, 0.7], [0.04, 0.96]]))
    assert heatmap.as_text(found).splitlines() == [
        "      t c",
        "      h a",
        "      e t",
        "   de ██░░",
        "kater ▒▒▓▓",
        " </s>   ██",
        "",
        "      ░ 0.05  ▒ 0.25  ▓ 0.5  █ 0.75 and more",
    ]


def darkest(found: AttentionMap) -> tuple[float, float]:
    """The mean position of the pixels of full weight, (down, right), without the colour bar."""
    from PIL import Image

    picture = np.asarray(Image.open(io.BytesIO(heatmap.as_png(found))).convert("RGB")).astype(int)
    full = np.abs(picture - np.array([8, 48, 107])).sum(axis=2) < 12
    down, right = np.nonzero(full[:, : round(picture.shape[1] * 0.7)])
    return float(down.mean()), float(right.mean())


def test_the_darkest_cell_of_a_picture_is_that_of_the_largest_weight() -> None:
    def one(row: int, column: int) -> AttentionMap:
        weights = np.zeros((4, 5))
        weights[row, column] = 1
        return AttentionMap([*"abcde"], [*"wxyz"], weights)

    origin = darkest(one(0, 0))
    height, width = darkest(one(1, 0))[0] - origin[0], darkest(one(0, 1))[1] - origin[1]
    assert min(height, width) > 5
    assert darkest(one(3, 2)) == pytest.approx((origin[0] + 3 * height, origin[1] + 2 * width), abs=height / 4)


def test_a_picture_is_the_same_every_time_and_shows_any_character(monkeypatch: pytest.MonkeyPatch) -> None:
    found = AttentionMap(["$x^$", "\U0001f642", "_a_"], ["\ufffd", "$"], np.full((2, 3), 1 / 3))
    first = heatmap.as_png(found)
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    assert first == heatmap.as_png(found)
    assert b"Software" not in first
