"""A forecaster as a folder: it comes back as it was, and whatever is wrong with the folder is one line."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from listener import Recorder

from anamnesis import models as folders
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.forecasting import saved, serving
from anamnesis.tasks.forecasting.forecaster import Forecaster, free_running
from anamnesis.tasks.forecasting.network import new_network
from anamnesis.tasks.forecasting.settings import Experiment
from anamnesis.tasks.forecasting.train import train

ARCHITECTURES = ("last", "average", "ar", "fc", "rnn", "gru", "lstm")
ONCE = {"epochs": 1, "learning_rate": 0.01}
UNFIT = "the weights are not those of the"


@pytest.fixture
def trained(project: Path, experiment: Callable[..., Experiment]) -> Callable[[str], Path]:
    """trained(architecture): the folder of a model."""

    def make(architecture: str) -> Path:
        network = architecture in ("fc", "rnn", "gru", "lstm")
        train("mine", experiment(architecture, **({"training": ONCE} if network else {})), project, Recorder())
        return project / "models" / "mine"

    return make


@pytest.mark.parametrize("architecture", ["fc", "rnn", "gru", "lstm"])
def test_a_network_comes_back_as_it_was(
    experiment: Callable[..., Experiment], tmp_path: Path, architecture: str
) -> None:
    settings = experiment(architecture)
    torch.manual_seed(2)
    network: Any = new_network(settings.model)  # type: ignore[arg-type]
    weights = {name: value.detach().numpy() for name, value in network.named_parameters()}
    card = {"architecture": architecture, **settings.model_dump(mode="json")}
    folders.save(tmp_path, weights | {"mean": np.array([5.0]), "scale": np.array([2.0])}, card, {})
    read = np.random.default_rng(1).normal(5, 2, (9, 4))
    with torch.no_grad():
        expected = network(torch.from_numpy(((read - 5) / 2).astype(np.float32))).numpy().astype(np.float64) * 2 + 5
    np.testing.assert_array_equal(saved.load(tmp_path).predict(read), expected)


@pytest.mark.parametrize("architecture", ["rnn", "gru", "lstm"])
def test_a_recurrent_network_reads_the_oldest_value_first(
    experiment: Callable[..., Experiment], architecture: str
) -> None:
    network: Any = new_network(experiment(architecture).model)  # type: ignore[arg-type]
    read = torch.randn(6, 4)
    state = network.stack.initial_state(6)
    for column in range(4):
        outputs, state = network.stack(read[None, :, column : column + 1], state)
    torch.testing.assert_close(network(read), network.output(outputs[0])[:, 0])


@pytest.mark.parametrize("architecture", ["last", "ar", "lstm"])
@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "one bit"])
def test_a_damaged_file_is_named(trained: Callable[[str], Path], architecture: str, name: str, damage: str) -> None:
    folder = trained(architecture)
    path = folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    if damage != "missing":
        path.write_bytes(data if damage == "one bit" else b"")
    with pytest.raises(AnamnesisError) as caught:
        saved.load(folder)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def forged(folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
    """The model with another card and other weights, all digests right, as someone who means harm would."""
    card, weights = folders.read(folder)
    change(card, weights)
    shutil.rmtree(folder)
    folder.mkdir()
    folders.save(folder, weights, {key: value for key, value in card.items() if key != "fingerprint"}, {})


def put(name: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda card, weights: weights.update({name: np.asarray(value)})


def described(**model: Any) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda card, weights: card["model"].update(model)


FORGERIES: dict[str, tuple[str, Callable[[dict[str, Any], dict[str, Any]], object], str]] = {
    "no mean": ("lstm", lambda card, weights: weights.pop("mean"), UNFIT),
    "no scale": ("ar", lambda card, weights: weights.pop("scale"), UNFIT),
    "a scale of 0": ("fc", put("scale", [0.0]), UNFIT),
    "a negative scale": ("ar", put("scale", [-1.0]), UNFIT),
    "a mean that is no number": ("ar", put("mean", [np.nan]), UNFIT),
    "two means": ("gru", put("mean", [1.0, 2.0]), UNFIT),
    "whole numbers": ("ar", put("intercept", [1]), UNFIT),
    "an infinite coefficient": ("ar", put("coefficients", [1.0, np.inf, 0.0, 0.0]), UNFIT),
    "another window": ("ar", described(window=5), UNFIT),
    "an array too many for a floor": ("last", put("more", [1.0]), UNFIT),
    "an array too many for a regression": ("ar", put("more", [1.0]), UNFIT),
    "an array too many for a network": ("rnn", put("more", np.ones(2, "f4")), UNFIT),
    "an array too few": ("fc", lambda card, weights: weights.pop("output.bias"), UNFIT),
    "a network of billions": ("lstm", described(hidden=65536, layers=16), UNFIT),
    "another kind": ("gru", described(architecture="lstm"), UNFIT),
    "no such architecture": ("lstm", described(architecture="x"), "not a model that forecasts"),
    "another task": ("last", lambda card, weights: card.update(task="language"), "not a model that forecasts"),
    "no model": ("last", lambda card, weights: card.pop("model"), "not a model that forecasts"),
}


@pytest.mark.parametrize(("architecture", "change", "said"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_model_is_refused_in_one_line(
    trained: Callable[[str], Path], architecture: str, change: Any, said: str
) -> None:
    folder = trained(architecture)
    forged(folder, lambda card, weights: None)
    saved.load(folder)
    forged(folder, change)
    with pytest.raises(AnamnesisError, match=said) as caught:
        saved.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_numbers_in_numbers_out(trained: Callable[[str], Path], architecture: str) -> None:
    model = serving.load(trained(architecture))
    assert isinstance(model, Forecaster)
    texts, options = serving.example(model.card)
    assert options == {"steps": 1}
    asked = [*texts, " 3,1 , 4, 1e0, 5.5 , 41"]
    assert serving.answer(model, asked, {}) == serving.answer(model, asked, options)
    starts = np.array([[*range(1, model.window + 1)], [3, 1, 4, 1, 5.5, 41][-model.window :]], dtype=np.float64)
    expected = free_running(model, starts, 3)
    found = serving.answer(model, asked, {"steps": 3})
    assert found == [", ".join(f"{value:.6g}" for value in row) for row in expected]
    assert serving.answer(model, [], {}) == []
    assert serving.answer(model, ["", asked[0], " "], {}) == ["", *serving.answer(model, asked[:1], {}), ""]


@pytest.mark.parametrize(
    ("texts", "options", "said"),
    [
        (["1, 2, 3, 4"], {"steps": 0}, "steps: found 0; allowed: from 1 to 10,000"),
        (["1, 2, 3, 4", "1, 2, 3"], {}, "text 2: found 3 numbers; allowed: 4 or more"),
        (["1, 2, x, 4"], {}, "text 1: found 'x'; allowed: numbers with commas between"),
        (["1, nan, 3, 4"], {}, "text 1: found 'nan'; allowed: numbers with commas between"),
        (["1,,2,3"], {}, "text 1: found ''; allowed: numbers with commas between"),
        (["1, 2, 3, 4"], {"step": 1}, "found the option 'step'; did you mean 'steps'?"),
    ],
)
def test_what_is_no_series_is_refused_in_one_line(
    trained: Callable[[str], Path], texts: list[str], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(AnamnesisError) as caught:
        serving.answer(serving.load(trained("ar")), texts, options)
    assert str(caught.value) == said
