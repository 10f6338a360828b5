"""A classifier as a folder: whatever is wrong with it is one line."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listener import Recorder

from anamnesis import models as folders
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.classification import saved
from anamnesis.tasks.classification.settings import Experiment
from anamnesis.tasks.classification.train import train

Make = Callable[..., Experiment]
ARCHITECTURES = ("tfidf", "lstm")


@pytest.fixture(scope="module")
def trained(stores: Path, experiment: Make, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Path]:
    """trained(architecture, where): a copy of a model's folder."""
    root = tmp_path_factory.mktemp("trained")
    (root / "data").symlink_to(stores / "data")
    for architecture in ARCHITECTURES:
        changes = {"training": {"epochs": 1}} if architecture != "tfidf" else {}
        train(architecture, experiment({"architecture": architecture}, **changes), root, Recorder())

    def copy(architecture: str, where: Path) -> Path:
        return Path(shutil.copytree(root / "models" / architecture, where / "model"))

    return copy


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", ["weights.safetensors", "model.json", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "one bit"])
def test_a_damaged_file_is_named(
    trained: Callable[..., Path], tmp_path: Path, architecture: str, name: str, damage: str
) -> None:
    path = trained(architecture, tmp_path) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    if damage != "missing":
        path.write_bytes(data if damage == "one bit" else b"")
    with pytest.raises(AnamnesisError) as caught:
        saved.load(path.parent)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def forged(folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
    """The model with another card and other weights, all digests right, as someone who means harm would."""
    card, weights = folders.read(folder)
    more = {name: (folder / name).read_bytes() for name in card["files"]}
    change(card, weights)
    folders.save(
        folder,
        weights,
        {key: value for key, value in card.items() if key != "fingerprint"},
        {name: data for name, data in more.items() if name in card["files"]},
    )


Change = Callable[[dict[str, Any], dict[str, Any]], object]
NOT_THOSE = "the weights are not those"
FORGERIES: dict[str, tuple[Change, str]] = {
    "an array too few": (lambda card, weights: weights.popitem(), NOT_THOSE),
    "an array too many": (lambda card, weights: weights.update(more=np.zeros(2, "f4")), NOT_THOSE),
    "another type": (lambda card, weights: weights.update({k: v.astype("f8") for k, v in weights.items()}), NOT_THOSE),
    "another shape": (lambda card, weights: weights.update({k: v[1:] for k, v in weights.items()}), NOT_THOSE),
    "a label more": (lambda card, weights: card["labels"].append("sport"), NOT_THOSE),
    "a label only": (lambda card, weights: card.update(labels=["ship"]), "`labels` is no list of two labels or more"),
    "labels of numbers": (lambda card, weights: card.update(labels=[1, 2, 3]), "`labels` is no list"),
    "no labels": (lambda card, weights: card.pop("labels"), "`labels` is no list"),
    "another task": (lambda card, weights: card.update(task="language"), "not a model that tells labels of documents"),
    "no such network": (lambda card, weights: card["model"].update(architecture="x"), "not a model that tells"),
    "no model": (lambda card, weights: card.pop("model"), "not a model that tells labels"),
    "no tokenizer": (lambda card, weights: card.update(files=[]), "`files` has no tokenizer.json"),
}  # fmt: skip


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("change", "said"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_model_is_refused_in_one_line(
    trained: Callable[..., Path], tmp_path: Path, architecture: str, change: Change, said: str
) -> None:
    folder = trained(architecture, tmp_path)
    forged(folder, lambda card, weights: None)
    saved.load(folder)
    forged(folder, change)
    with pytest.raises(AnamnesisError, match=said) as caught:
        saved.load(folder)
    assert "\n" not in str(caught.value)


def test_a_network_of_billions_takes_no_memory(trained: Callable[..., Path], tmp_path: Path) -> None:
    folder = trained("lstm", tmp_path)
    forged(folder, lambda card, weights: card["model"].update(hidden=65536, layers=16))
    with pytest.raises(AnamnesisError, match=NOT_THOSE):
        saved.load(folder)


def test_padding_decides_whether_there_is_a_dummy(trained: Callable[..., Path], tmp_path: Path) -> None:
    folder = trained("lstm", tmp_path)
    forged(folder, lambda card, weights: card.update(padding="packed"))
    with pytest.raises(AnamnesisError, match=NOT_THOSE):
        saved.load(folder)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_odd_texts(trained: Callable[..., Path], tmp_path: Path, architecture: str) -> None:
    model = saved.load(trained(architecture, tmp_path))
    texts = ["zeppelin", "\u4e2d \U0001f600", "wheat " * 5000, "Wheat\nrose\t."]
    found = model.probabilities(texts)
    assert found.shape == (4, 3)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    # Beside others or alone, it is the same.
    for text, row in zip(texts, found, strict=True):
        np.testing.assert_allclose(model.probabilities([text])[0], row, rtol=1e-5)
    for nothing in ("", " \n "):
        with pytest.raises(AnamnesisError, match="text 2: there is no word in it"):
            model.probabilities(["wheat", nothing])
