"""The network: the loss of whole captions in one call against single letters, and the initial weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from anamnesis.tasks.captioning.model import letters
from anamnesis.tasks.captioning.model.batches import Batch, new_batches
from anamnesis.tasks.captioning.model.images import CaptionedImages
from anamnesis.tasks.captioning.model.network import DEVIATION, MEAN, CaptionNetwork
from anamnesis.tasks.captioning.settings import Network

from ..conftest import NETWORKS

Images = Callable[..., CaptionedImages]


def whole(images: CaptionedImages) -> Batch:
    """All images as one batch."""
    return next(iter(new_batches(images, len(images), None)))


@pytest.mark.parametrize("architecture", NETWORKS)
def test_teacher_forcing_equals_letter_by_letter_and_image_by_image(
    network: Callable[..., CaptionNetwork], images: Images, architecture: str
) -> None:
    model, some = network(architecture), images()
    total = 0.0
    with torch.no_grad():
        loss = model.loss(whole(some))
        for pixels, caption in zip(some.pixels, some.captions(), strict=True):
            state = model.encode(torch.from_numpy(pixels[None]))
            before = letters.START
            for letter in [*letters.encode(caption), letters.END]:
                logits, state = model.decode(torch.tensor([[before]]), state)
                total -= float(logits[0, 0].double().log_softmax(-1)[letter])
                before = letter
    assert float(loss.total) == pytest.approx(total, rel=1e-5)
    assert loss.count == sum(len(caption) + 1 for caption in some.captions())


def test_only_the_initial_state_depends_on_the_image(network: Callable[..., CaptionNetwork], images: Images) -> None:
    model, some = network("cnn-lstm"), images(2)
    with torch.no_grad():
        [state] = model.encode(torch.from_numpy(some.pixels))
        vector = model.encoder((torch.from_numpy(some.pixels)[:, None].float() / 255 - MEAN) / DEVIATION)
        for part, bridge in zip(state, model.bridges, strict=True):
            torch.testing.assert_close(part, vector @ bridge.weight.T + bridge.bias)
        inputs = torch.tensor([[letters.START, letters.START], [3, 3]])
        # Both images with the first one's state.
        both, _ = model.decode(inputs, [tuple(part[[0, 0]] for part in state)])
    torch.testing.assert_close(both[:, 0], both[:, 1])


@pytest.mark.parametrize(("architecture", "gates"), [("cnn-rnn", 1), ("cnn-gru", 3), ("cnn-lstm", 4)])
def test_recurrent_weights_start_as_rotations(architecture: str, gates: int) -> None:
    model = CaptionNetwork(Network(architecture=architecture, hidden=6), 42)  # type: ignore[arg-type]
    layer: Any = model.decoder.layers[0]
    weights = layer.weight_hh_l0.detach()
    assert len(weights) == gates * 6
    for gate in weights.split(6):
        torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)
    if architecture == "cnn-gru":
        assert (layer.bias_ih_l0.detach()[6:12] == 1).all()


def test_batches_hold_every_image_with_its_caption_once_an_epoch(images: Images) -> None:
    some = images(23)
    loader = new_batches(some, 5, 7)
    orders = []
    for _ in range(2):
        batches = list(loader)
        assert [len(batch.pixels) for batch in batches] == [5, 5, 5, 5, 3]
        orders.append(torch.cat([batch.pixels for batch in batches]).numpy())
        assert {each.tobytes() for each in orders[-1]} == {each.tobytes() for each in some.pixels}
        for batch in batches:
            for column, pixels in enumerate(batch.pixels.numpy()):
                [index] = np.flatnonzero((some.pixels == pixels).all((1, 2)))
                ids = batch.targets[:, column].tolist()
                assert letters.decode(ids[: ids.index(letters.END)]) == some.captions()[index]
    assert not np.array_equal(*orders)
    fixed = torch.cat([batch.pixels for batch in new_batches(some, 5, None)]).numpy()
    np.testing.assert_array_equal(fixed, some.pixels)


def test_the_network_can_learn_a_few_images_completely(images: Images) -> None:
    torch.manual_seed(1)
    batch = whole(images(6, 2))
    model = CaptionNetwork(Network(architecture="cnn-gru", channels=4, hidden=24), 22)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        loss = model.loss(batch)
        loss.total.backward()
        optimizer.step()
    assert float(loss.total.detach()) / float(loss.count) < 0.05
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())
