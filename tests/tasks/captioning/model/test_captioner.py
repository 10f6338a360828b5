"""Captions by search: greedy against a loop, the scores of a beam against teacher forcing."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from anamnesis.tasks.captioning.model import letters
from anamnesis.tasks.captioning.model.captioner import NetworkCaptioner
from anamnesis.tasks.captioning.model.captions import Caption
from anamnesis.tasks.captioning.model.images import CaptionedImages
from anamnesis.tasks.captioning.model.network import CaptionNetwork
from anamnesis.tasks.captioning.settings import DigitImages, Search

from ..conftest import NETWORKS

Images = Callable[..., CaptionedImages]


def captioner(network: CaptionNetwork, penalty: float = 0.0) -> NetworkCaptioner:
    return NetworkCaptioner({}, network, DigitImages(), Search(length_penalty=penalty))


def greedy(network: CaptionNetwork, pixels: np.ndarray) -> Caption:
    """The most probable letter at every step, one image and one letter at a time."""
    written: list[int] = []
    total, before = 0.0, letters.START
    with torch.no_grad():
        state = network.encode(torch.from_numpy(pixels[None]))
        for _ in range(24):
            logits, state = network.decode(torch.tensor([[before]]), state)
            values = logits[0, 0].double().log_softmax(-1)
            # No caption holds a start.
            values[letters.START] = -torch.inf
            best, before = (each.item() for each in values.max(-1))
            total += best
            if before == letters.END:
                break
            written.append(before)
    return Caption(letters.decode(written), total)


@pytest.mark.parametrize("architecture", NETWORKS)
def test_greedy_search_takes_the_most_probable_letter_each_time(
    network: Callable[..., CaptionNetwork], images: Images, architecture: str
) -> None:
    model, some, counts = network(architecture), images(112), list[int]()
    found = captioner(model).caption(some.pixels, 1, progress=counts.append)
    assert counts == [100, 12]
    for pixels, [best] in list(zip(some.pixels, found, strict=True))[95:107]:
        expected = greedy(model, pixels)
        assert best.text == expected.text
        assert best.score == pytest.approx(expected.score, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("architecture", NETWORKS)
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_scores_are_log_probabilities_by_teacher_forcing(
    network: Callable[..., CaptionNetwork], images: Images, architecture: str, penalty: float
) -> None:
    model, some = network(architecture, scale=0.3), images(10)
    with torch.no_grad():
        # Hypotheses end within the limit.
        model.output.bias[letters.END] += 1.0
    checked = 0
    for pixels, captions in zip(some.pixels, captioner(model, penalty).caption(some.pixels, 5, 4), strict=True):
        scores = [each.score or 0.0 for each in captions]
        assert scores == sorted(scores, reverse=True)
        for each in captions:
            ids = [*letters.encode(each.text), letters.END]
            if len(ids) <= 10:
                with torch.no_grad():
                    logits = model(torch.from_numpy(pixels[None]), torch.tensor([ids]).T)
                values = logits[:, 0].double().log_softmax(-1)[range(len(ids)), ids]
                assert each.score == pytest.approx(float(values.sum()) / len(ids) ** penalty, rel=1e-4, abs=1e-5)
                checked += 1
    assert checked > 5
