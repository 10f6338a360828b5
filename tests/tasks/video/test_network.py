"""The networks against loops over frames, pixels and gates with the same weights."""

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from anamnesis.tasks.video.model.network import VideoNetwork
from anamnesis.tasks.video.model.videos import PARTS
from anamnesis.tasks.video.settings import Model

MODELS = {
    "cnn-lstm": {"architecture": "cnn-lstm", "channels": 2, "features": 7, "hidden": 9},
    "cnn": {"architecture": "cnn", "channels": 2, "features": 7},
    "lstm": {"architecture": "lstm", "hidden": 9},
}


def network(architecture, size):
    torch.manual_seed(3)
    settings = TypeAdapter(Model).validate_python(MODELS[architecture])
    made = VideoNetwork(settings, size, PARTS)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    return made.eval()


def videos(frames, size):
    random = np.random.default_rng(5)
    return torch.from_numpy(random.integers(256, size=(3, frames, size, size), dtype=np.uint8))


def seen(made, frame):
    """The vector of one frame (size, size), its convolutions and poolings written as loops."""
    weights = {name: value.detach().double().numpy() for name, value in made.frame.named_parameters()}
    standardised = (frame - 0.1 * 255) / (0.25 * 255)
    maps = standardised[None]
    for number, width in ((0, 3), (3, 5)):
        kernel, bias = weights[f"maps.{number}.weight"], weights[f"maps.{number}.bias"]
        side = maps.shape[1]
        padded = np.pad(maps, ((0, 0), (width // 2,) * 2, (width // 2,) * 2))
        convolved = np.zeros((len(kernel), side, side))
        for row in range(side):
            for column in range(side):
                window = padded[:, row : row + width, column : column + width]
                convolved[:, row, column] = np.maximum((kernel * window).sum((1, 2, 3)) + bias, 0)
        maps = convolved
        if number == 0:
            half = side // 2
            maps = np.zeros((len(kernel), half, half))
            for row in range(half):
                for column in range(half):
                    maps[:, row, column] = convolved[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].max((1, 2))
    squares = len(frame) // 4
    coarse = np.zeros((squares, squares))
    for row in range(squares):
        for column in range(squares):
            coarse[row, column] = standardised[4 * row : 4 * row + 4, 4 * column : 4 * column + 4].mean()
    what = weights["what.weight"] @ maps.max((1, 2)) + weights["what.bias"]
    where = weights["where.weight"] @ coarse.ravel() + weights["where.bias"]
    vector = np.maximum(np.concatenate([what, where]), 0)
    standard = (vector - vector.mean()) / np.sqrt(vector.var() + 1e-5)
    return standard * weights["after.1.weight"] + weights["after.1.bias"]


def remembered(made, vectors):
    """The last hidden state of the LSTM's equations, one step after the other."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    w, u, b, d = (made.lstm.get_parameter(name).detach().double().numpy() for name in names)

    def sigmoid(values):
        return 1 / (1 + np.exp(-values))

    h = c = np.zeros(u.shape[1])
    for vector in vectors:
        i, f, g, o = np.split(w @ vector + b + u @ h + d, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


@pytest.mark.parametrize("architecture", MODELS)
@pytest.mark.parametrize(("frames", "size"), [(2, 9), (5, 14), (6, 15)])
def test_logits_are_those_of_loops(architecture, frames, size):
    made, shown = network(architecture, size), videos(frames=frames, size=size)
    with torch.no_grad():
        found = made(shown).numpy()
    weight, bias = (made.output.get_parameter(name).detach().double().numpy() for name in ("weight", "bias"))
    for video, logits in zip(shown.numpy().astype(float), found, strict=True):
        if architecture == "cnn":
            last = seen(made, video[frames // 2])
        elif architecture == "lstm":
            last = remembered(made, [((frame / 255 - 0.1) / 0.25).ravel() for frame in video])
        else:
            last = remembered(made, [seen(made, frame) for frame in video])
        parts = weight @ last + bias
        expected = [parts[digit] + parts[10 + direction] for digit in range(10) for direction in range(8)]
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
