"""Captions by search: greedy is a beam of one, a beam's score is that of teacher forcing, and what is refused."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from anamnesis.errors import AnamnesisError
from anamnesis.tasks.captioning import letters
from anamnesis.tasks.captioning.batches import collate
from anamnesis.tasks.captioning.captions import Caption
from anamnesis.tasks.captioning.nearest import Nearest
from anamnesis.tasks.captioning.network import Captioner
from anamnesis.tasks.captioning.reader import NetworkReader
from anamnesis.tasks.captioning.rows import Captioned
from anamnesis.tasks.captioning.settings import Rows, Search

from .conftest import NETWORKS

Images = Callable[..., Captioned]


def reader(network: Captioner, penalty: float = 0.0) -> NetworkReader:
    return NetworkReader({}, network, Rows(), Search(length_penalty=penalty))


def walked(network: Captioner, pixels: np.ndarray) -> Caption:
    """The likeliest letter at every step, one image and one letter at a time."""
    written: list[int] = []
    total, before = 0.0, letters.START
    with torch.no_grad():
        state = network.encode(torch.from_numpy(pixels[None]))
        for _ in range(24):
            logits, state = network.decode(torch.tensor([[before]]), state)
            values = logits[0, 0].double().log_softmax(-1)
            # A start is no letter of a caption.
            values[letters.START] = -torch.inf
            best, before = (each.item() for each in values.max(-1))
            total += best
            if before == letters.END:
                break
            written.append(before)
    return Caption(letters.decode(written), total)


@pytest.mark.parametrize("architecture", NETWORKS)
def test_greedy_is_a_walk_and_a_beam_of_one(
    network: Callable[..., Captioner], images: Images, architecture: str
) -> None:
    made, some = network(architecture), images(12)
    found = reader(made).caption(some.pixels, 1)
    for pixels, [best] in zip(some.pixels, found, strict=True):
        expected = walked(made, pixels)
        assert best.text == expected.text
        assert best.score == pytest.approx(expected.score, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("architecture", NETWORKS)
def test_a_wider_beam_finds_more_and_says_how_likely_it_is(
    network: Callable[..., Captioner], images: Images, architecture: str
) -> None:
    made, some = network(architecture, scale=0.3), images(10)
    with torch.no_grad():
        # An end that comes soon, so that hypotheses end within the limit.
        made.output.bias[letters.END] += 1.0
    for penalty in (0.0, 1.0):
        found = reader(made, penalty).caption(some.pixels, 5, 4)
        checked = 0
        for pixels, captions in zip(some.pixels, found, strict=True):
            scores = [each.score for each in captions]
            assert scores == sorted(scores, reverse=True)
            for each in captions:
                ids = [*letters.encode(each.text), letters.END]
                inputs = torch.tensor([[letters.START, *ids[:-1]]]).T
                with torch.no_grad():
                    logits, _ = made.decode(inputs, made.encode(torch.from_numpy(pixels[None])))
                values = logits[:, 0].double().log_softmax(-1)[range(len(ids)), ids]
                if len(ids) <= 10:
                    assert each.score == pytest.approx(float(values.sum()) / len(ids) ** penalty, rel=1e-4, abs=1e-5)
                    checked += 1
        assert checked > 10


def test_images_are_read_alone_and_counted(network: Callable[..., Captioner], images: Images) -> None:
    made, some, told = reader(network()), images(150), list[int]()
    found = made.caption(some.pixels, 2, progress=told.append)
    assert told == [100, 50]
    alone = [made.caption(some.pixels[index : index + 1], 2)[0] for index in (0, 99, 100, 149)]
    assert [[each.text for each in found[index]] for index in (0, 99, 100, 149)] == [[c.text for c in a] for a in alone]
    assert made.caption(some.pixels[:0], 2) == []


def test_perplexity_is_that_of_all_letters(network: Callable[..., Captioner], images: Images) -> None:
    made, some = network(), images(130)
    batch = collate(some)
    with torch.no_grad():
        expected = math.exp(float(made.loss(batch).double()) / len(batch.places))
    assert reader(made).perplexity(some) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("beam", "n_best", "said"),
    [(0, 1, "beam: found 0"), (101, 1, "beam: found 101"), (3, 4, "n-best: found 4"), (3, 0, "n-best: found 0")],
)
def test_a_search_that_cannot_be(
    network: Callable[..., Captioner], images: Images, beam: int, n_best: int, said: str
) -> None:
    with pytest.raises(AnamnesisError, match=f"^{said}; allowed: from 1 to"):
        reader(network()).caption(images(1).pixels, beam, n_best)


def test_the_nearest_training_image_speaks(images: Images) -> None:
    known = images(40)
    asked = images(130).pixels
    found = Nearest(known, Rows()).caption(asked, 3)
    captions = known.captions()
    for pixels, [best] in zip(asked, found, strict=True):
        distances = [((pixels.astype(int) - other.astype(int)) ** 2).sum() for other in known.pixels]
        assert best == Caption(captions[int(np.argmin(distances))], None)
    twice = Captioned(*(np.concatenate([part, part]) for part in (known.pixels, known.digits, known.counts)))
    assert Nearest(twice, Rows()).caption(asked, 1) == found
