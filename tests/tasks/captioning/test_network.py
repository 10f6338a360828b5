"""The network: the loss of whole captions in one call against a walk letter by letter, and what it starts from."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from anamnesis.tasks.captioning import letters
from anamnesis.tasks.captioning.batches import batches, collate
from anamnesis.tasks.captioning.network import DEVIATION, MEAN, Captioner
from anamnesis.tasks.captioning.rows import Captioned

from .conftest import NETWORKS

Images = Callable[..., Captioned]


@pytest.mark.parametrize("architecture", NETWORKS)
def test_teacher_forcing_is_a_walk_letter_by_letter(
    network: Callable[..., Captioner], images: Images, architecture: str
) -> None:
    made, some = network(architecture), images()
    total = 0.0
    with torch.no_grad():
        found = float(made.loss(collate(some)))
        for pixels, caption in zip(some.pixels, some.captions(), strict=True):
            state = made.encode(torch.from_numpy(pixels[None]))
            before = letters.START
            for letter in [*letters.encode(caption), letters.END]:
                logits, state = made.decode(torch.tensor([[before]]), state)
                total -= float(logits[0, 0].double().log_softmax(-1)[letter])
                before = letter
    assert found == pytest.approx(total, rel=1e-5)
    assert len(collate(some).places) == sum(len(caption) + 1 for caption in some.captions())


@pytest.mark.parametrize("architecture", NETWORKS)
def test_a_caption_says_nothing_of_another(
    network: Callable[..., Captioner], images: Images, architecture: str
) -> None:
    made, some = network(architecture), images(9)
    with torch.no_grad():
        together = float(made.loss(collate(some)))
        alone = sum(float(made.loss(collate(some[index : index + 1]))) for index in range(9))
    assert together == pytest.approx(alone, rel=1e-5)


def test_the_image_is_the_first_state_and_nothing_else(network: Callable[..., Captioner], images: Images) -> None:
    made, some = network("cnn-lstm"), images(2)
    with torch.no_grad():
        state = made.encode(torch.from_numpy(some.pixels))
        vector = made.encoder((torch.from_numpy(some.pixels)[:, None].float() / 255 - MEAN) / DEVIATION)
        for part, bridge in zip(state[0], made.bridges, strict=True):
            torch.testing.assert_close(part, vector @ bridge.weight.T + bridge.bias)
        inputs = torch.tensor([[letters.START, letters.START], [3, 3]])
        # The second image with the first one's state is read as the first.
        both, _ = made.decode(inputs, [tuple(part[[0, 0]] for part in state[0])])
    torch.testing.assert_close(both[:, 0], both[:, 1])


@pytest.mark.parametrize("architecture", NETWORKS)
def test_every_parameter_learns(network: Callable[..., Captioner], images: Images, architecture: str) -> None:
    made = network(architecture, scale=0.2)
    made.loss(collate(images(20))).backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("architecture", "gates"), [("cnn-rnn", 1), ("cnn-gru", 3), ("cnn-lstm", 4)])
def test_recurrent_weights_start_as_rotations(architecture: str, gates: int) -> None:
    from anamnesis.tasks.captioning.settings import Network

    made = Captioner(Network(architecture=architecture, hidden=6), 42)
    layer: Any = made.decoder.layers[0]
    weights = layer.weight_hh_l0.detach()
    assert len(weights) == gates * 6
    for gate in weights.split(6):
        torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)
    if architecture == "cnn-gru":
        assert (layer.bias_ih_l0.detach()[6:12] == 1).all()


def test_batches_hold_every_image_once_an_epoch(images: Images) -> None:
    some = images(23)
    loader = batches(some, 5, 7)
    orders = []
    for _ in range(2):
        read = list(loader)
        assert [len(batch.pixels) for batch in read] == [5, 5, 5, 5, 3]
        orders.append(torch.cat([batch.pixels for batch in read]).numpy())
        assert {each.tobytes() for each in orders[-1]} == {each.tobytes() for each in some.pixels}
        for batch in read:
            for column, pixels in enumerate(batch.pixels.numpy()):
                [index] = np.flatnonzero((some.pixels == pixels).all((1, 2)))
                ids = batch.targets[:, column].tolist()
                assert letters.decode(ids[: ids.index(letters.END)]) == some.captions()[index]
    assert not np.array_equal(*orders)
    straight = torch.cat([batch.pixels for batch in batches(some, 5, None)]).numpy()
    np.testing.assert_array_equal(straight, some.pixels)


def test_a_few_images_are_learned_by_heart(images: Images) -> None:
    from anamnesis.tasks.captioning.settings import Network

    torch.manual_seed(1)
    some = images(6, 2)
    made = Captioner(Network(architecture="cnn-gru", channels=4, hidden=24), 22)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        loss = made.loss(collate(some))
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) / len(collate(some).places) < 0.05
