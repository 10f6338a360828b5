"""Model folders: stored in one step, and networks rebuilt only from arrays that fit them."""

import numpy as np
import pytest
import torch
from torch import nn

from anamnesis import models
from anamnesis.errors import AnamnesisError


class Tied(nn.Module):
    """Two names for one parameter, a frozen parameter, and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.softmax = nn.Linear(3, 5)
        self.softmax.weight = self.embedding.weight
        self.scale = nn.Parameter(torch.ones(2), requires_grad=False)
        self.dropout = nn.Dropout(0.5)


@pytest.fixture
def weights():
    torch.manual_seed(3)
    return {name: torch.randn(value.shape).numpy() for name, value in Tied().named_parameters()}


def test_a_network_has_its_weights_and_is_in_evaluation_mode(tmp_path, weights):
    assert set(weights) == {"embedding.weight", "softmax.bias", "scale"}
    network = models.load_network(tmp_path, Tied, weights)
    assert not network.training
    assert network.softmax.weight is network.embedding.weight
    assert all(np.array_equal(value.detach().numpy(), weights[name]) for name, value in network.named_parameters())


@pytest.mark.parametrize(
    "change",
    [
        lambda weights: weights.pop("scale"),
        lambda weights: weights.update(more=np.zeros(1, np.float32)),
        lambda weights: weights.update(scale=np.ones(3, np.float32)),
        lambda weights: weights.update(scale=np.ones(2)),
    ],
    ids=["missing", "unknown", "another shape", "another type"],
)
def test_weights_of_another_network_are_refused(change, tmp_path, weights):
    change(weights)
    with pytest.raises(AnamnesisError, match=f"{tmp_path}: the weights are not those of the network"):
        models.load_network(tmp_path, Tied, weights)


def test_a_folder_holds_all_that_the_training_left(tmp_path, weights):
    history = [{"epoch": 1, "loss": 2 / 3}, {"epoch": 2, "loss": 0.5}]
    card = models.store(tmp_path, "it", weights, {"task": "any"}, {"words.json": b"{}"}, history, [("at first", "aha")])
    folder = tmp_path / "models" / "it"
    stored_card, stored = models.read(folder)
    assert stored_card == card
    assert stored.keys() == weights.keys()
    assert (folder / "history.csv").read_text() == "epoch,loss\n1,0.666667\n2,0.5\n"
    assert (folder / "samples.txt").read_text() == "== at first ==\naha\n"
    models.store(tmp_path, "it", {}, {"task": "any"}, {})
    assert {path.name for path in folder.iterdir()} == {"model.json", "weights.safetensors"}
