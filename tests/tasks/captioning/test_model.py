"""The models: letters, the nearest image, the network's loss letter by letter, and its search."""

import numpy as np
import pytest
import torch

from anamnesis.tasks.captioning.model import letters
from anamnesis.tasks.captioning.model.baselines import NearestCaptioner
from anamnesis.tasks.captioning.model.batches import new_batches
from anamnesis.tasks.captioning.model.captioner import NetworkCaptioner
from anamnesis.tasks.captioning.model.captions import Caption
from anamnesis.tasks.captioning.model.images import CaptionedImages, width
from anamnesis.tasks.captioning.model.network import DEVIATION, MEAN, CaptionNetwork
from anamnesis.tasks.captioning.settings import DigitImages, Network, Search

NETWORKS = {"cnn-rnn": 1, "cnn-gru": 3, "cnn-lstm": 4}  # their gates


def network(architecture, scale=0.5):
    """In evaluation mode, with weights so large that letters differ."""
    torch.manual_seed(3)
    result = CaptionNetwork(Network(architecture=architecture, channels=2, hidden=6, embedding=4), width(4))
    for parameter in result.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return result.eval()


def images(number=7, longest=4):
    """Random pixels with random captions of 1 to `longest` digits."""
    random = np.random.default_rng(5)
    return CaptionedImages(
        random.integers(256, size=(number, 12, width(longest)), dtype=np.uint8),
        random.integers(10, size=(number, longest)),
        random.integers(1, longest + 1, number),
    )


def whole(images):
    """All images as one batch."""
    return next(iter(new_batches(images, len(images), None)))


def test_captions_are_spelled_as_by_a_loop():
    random = np.random.default_rng(1)
    digits, counts = random.integers(10, size=(200, 5)), random.integers(1, 6, 200)
    ids, lengths = letters.spell(digits, counts)
    assert ids.shape == (200, 5 * letters.WIDEST)
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    for row, count, written, length in zip(digits, counts, ids.tolist(), lengths, strict=True):
        text = " ".join(names[digit] for digit in row[:count])
        assert written[: length - 1] == ["abcdefghijklmnopqrstuvwxyz".find(letter) + 1 for letter in text]
        assert length == len(text) + 1
        assert set(written[length - 1 :]) == {letters.END}
        assert letters.decode([letters.START, *written]) == text
        assert letters.encode(text) == written[: length - 1]
    behind = np.where(np.arange(5) < counts[:, None], digits, 99)
    np.testing.assert_array_equal(letters.spell(behind, counts)[0], ids)


def test_the_baseline_gives_the_caption_of_the_nearest_training_image():
    known, asked = images(40), images(130).pixels
    found = NearestCaptioner(known, DigitImages()).caption(asked, 3)
    captions = known.captions()
    for pixels, [best] in zip(asked, found, strict=True):
        distances = [((pixels.astype(int) - other.astype(int)) ** 2).sum() for other in known.pixels]
        assert best == Caption(captions[int(np.argmin(distances))], None)
    # The first of two equal images counts.
    pixels, digits = np.concatenate([known.pixels] * 2), np.concatenate([known.digits, known.digits[::-1]])
    twice = CaptionedImages(pixels, digits, np.tile(known.counts, 2))
    assert NearestCaptioner(twice, DigitImages()).caption(asked, 1) == found


@pytest.mark.parametrize("architecture", NETWORKS)
def test_teacher_forcing_equals_letter_by_letter_and_image_by_image(architecture):
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


@pytest.mark.parametrize("architecture", NETWORKS)
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_scores_of_captions_are_log_probabilities_by_teacher_forcing(architecture, penalty):
    model, some, counts = network(architecture, scale=0.3), images(112), []
    with torch.no_grad():
        # Hypotheses end within the limit.
        model.output.bias[letters.END] += 1.0
    captioner = NetworkCaptioner({}, model, DigitImages(), Search(length_penalty=penalty))
    checked = 0
    found = captioner.caption(some.pixels, 5, 4, progress=counts.append)
    assert counts == [100, 12]
    for pixels, captions in list(zip(some.pixels, found, strict=True))[95:105]:
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


def test_only_the_initial_state_depends_on_the_image():
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


@pytest.mark.parametrize("architecture", NETWORKS)
def test_recurrent_weights_start_as_rotations(architecture):
    layer = CaptionNetwork(Network(architecture=architecture, hidden=6), 42).decoder.layers[0]
    weights = layer.weight_hh_l0.detach()
    assert len(weights) == NETWORKS[architecture] * 6
    for gate in weights.split(6):
        torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)
    if architecture == "cnn-gru":
        assert (layer.bias_ih_l0.detach()[6:12] == 1).all()


def test_batches_hold_every_image_with_its_caption():
    some = images(23)
    batches = list(new_batches(some, 5, 7))
    assert [len(batch.pixels) for batch in batches] == [5, 5, 5, 5, 3]
    seen = []
    for batch in batches:
        for column, pixels in enumerate(batch.pixels.numpy()):
            [index] = np.flatnonzero((some.pixels == pixels).all((1, 2)))
            ids = batch.targets[:, column].tolist()
            assert letters.decode(ids[: ids.index(letters.END)]) == some.captions()[index]
            seen.append(index)
    assert sorted(seen) == list(range(23)) != seen


def test_the_network_can_learn_a_few_images_completely():
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
