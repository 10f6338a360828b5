"""Heat maps of attention: every weight at its place, in blocks and as a picture."""

import io
from pathlib import Path

import numpy as np
import pytest
import toy_pairs

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation import heatmap, saved
from anamnesis.tasks.translation.heatmap import Heatmap


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_pairs.make(tmp_path_factory.mktemp("toy") / "toy")


@pytest.fixture(scope="module")
def model(root):
    return saved.load(root / "models" / "toy-attention")


def test_blocks_stand_in_the_row_of_the_target_and_the_column_of_the_source():
    found = Heatmap(["the", "cat"], ["de", "kater", "</s>"], np.array([[0.8, 0.2], [0.3, 0.7], [0.04, 0.96]]))
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


def darkest(found: Heatmap) -> tuple[float, float]:
    """Where the pixels of full weight are in the picture, (down, right); those of the scale beside it left out."""
    from PIL import Image

    picture = np.asarray(Image.open(io.BytesIO(heatmap.as_png(found))).convert("RGB")).astype(int)
    full = np.abs(picture - np.array([8, 48, 107])).sum(axis=2) < 12
    # The scale is a strip right of the map, in which the colour is in few rows only.
    down, right = np.nonzero(full[:, : round(picture.shape[1] * 0.7)])
    return float(down.mean()), float(right.mean())


def test_a_picture_has_its_darkest_cell_where_the_weight_is():
    def one(row: int, column: int) -> Heatmap:
        weights = np.zeros((4, 5))
        weights[row, column] = 1
        return Heatmap([*"abcde"], [*"wxyz"], weights)

    origin = darkest(one(0, 0))
    rows, columns = darkest(one(1, 0)), darkest(one(0, 1))
    height, width = rows[0] - origin[0], columns[1] - origin[1]
    assert height > 5
    assert width > 5
    assert darkest(one(3, 2)) == pytest.approx((origin[0] + 3 * height, origin[1] + 2 * width), abs=height / 4)


def test_a_picture_depends_on_nothing_else_and_shows_any_character():
    found = Heatmap(["$x^$", "\U0001f642", "_a_"], ["\ufffd", "$"], np.full((2, 3), 1 / 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "nonsense")
        first = heatmap.as_png(found)
    assert first == heatmap.as_png(found)
    assert b"Software" not in first


def test_weights_are_those_of_the_network(model):
    texts = ["The cat runs.", " ", "A dog"]
    best = [found[0] for found in model.translate(texts, 4)]
    maps = heatmap.of(model, texts, best)
    assert maps[1] is None
    for text, translation, found in zip(texts[::2], best[::2], maps[::2], strict=True):
        assert found.weights.shape == (len(translation.tokens), len(model.source.encode(text)))
        assert found.weights.sum(axis=1) == pytest.approx(np.ones(len(translation.tokens)), abs=1e-5)
        assert found.source[-1] == "</s>"
        assert "".join(found.source[:-1]) == text.replace(" ", "")
        np.testing.assert_array_equal(found.weights, model.attended(text, translation)[1].attention)


def test_what_is_too_long_for_a_map_is_named(model):
    texts = ["The cat runs.", "x" * heatmap.LONGEST]
    best = [found[0] for found in model.translate(texts, 1)]
    with pytest.raises(AnamnesisError, match=r"^attention: text 2 or its translation has [1-9]\d\d tokens; allowed"):
        heatmap.of(model, texts, best)


def test_a_network_without_attention_is_refused(root):
    plain = saved.load(root / "models" / "toy-seq2seq")
    with pytest.raises(AnamnesisError, match="toy-seq2seq has no attention to show"):
        heatmap.of(plain, ["The cat"], [plain.translate(["The cat"], 1)[0][0]])
