"""Model folders of any task: stored in one step, and networks rebuilt from arrays that fit them."""

import numpy as np
import pytest
import torch
from torch import nn

from anamnesis import models as saved
from anamnesis.errors import AnamnesisError


class Tied(nn.Module):
    """Two names for one parameter, one that no gradient trains, and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.softmax = nn.Linear(3, 5)
        self.softmax.weight = self.embedding.weight
        self.scale = nn.Parameter(torch.ones(2), requires_grad=False)
        self.dropout = nn.Dropout(0.5)


def arrays() -> dict:
    torch.manual_seed(3)
    return {name: torch.randn(value.shape).numpy() for name, value in Tied().named_parameters()}


def test_a_network_comes_back_with_its_weights_in_evaluation_mode(tmp_path):
    weights = arrays()
    assert set(weights) == {"embedding.weight", "softmax.bias", "scale"}
    made = saved.network(tmp_path, Tied, weights)
    assert not made.training
    assert made.softmax.weight is made.embedding.weight
    for name, value in made.named_parameters():
        assert np.array_equal(value.detach().numpy(), weights[name])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda weights: weights.pop("scale"),
        lambda weights: weights.update(more=np.zeros(1, np.float32)),
        lambda weights: weights.update(scale=np.ones(3, np.float32)),
        lambda weights: weights.update(scale=np.ones(2)),
    ],
    ids=["one is missing", "one too many", "another shape", "another type"],
)
def test_weights_of_another_network_are_refused(spoil, tmp_path):
    weights = arrays()
    spoil(weights)
    with pytest.raises(AnamnesisError, match=f"{tmp_path}: the weights are not those of the network"):
        saved.network(tmp_path, Tied, weights)


def test_a_network_too_large_for_memory_is_refused_before_it_is_made(tmp_path):
    with pytest.raises(AnamnesisError, match="the weights are not those"):
        saved.network(tmp_path, lambda: nn.Linear(10**6, 10**8), arrays())


def test_a_model_is_stored_whole_with_what_the_training_left(tmp_path):
    weights, history = arrays(), [{"epoch": 1, "loss": 2 / 3}, {"epoch": 2, "loss": 0.5}]
    card = saved.store(tmp_path, "it", weights, {"task": "any"}, {"words.json": b"{}"}, history, [("at first", "aha")])
    folder = tmp_path / "models" / "it"
    names = {"model.json", "weights.safetensors", "words.json", "history.csv", "samples.txt"}
    assert {path.name for path in folder.iterdir()} == names
    found, kept = saved.read(folder)
    assert found == card
    assert kept.keys() == weights.keys()
    assert (folder / "history.csv").read_text() == "epoch,loss\n1,0.666667\n2,0.5\n"
    assert (folder / "samples.txt").read_text() == "== at first ==\naha\n"
    saved.store(tmp_path, "it", {}, {"task": "any"}, {})
    assert {path.name for path in folder.iterdir()} == {"model.json", "weights.safetensors"}
