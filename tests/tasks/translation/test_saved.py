"""A translation model as a folder: it comes back as it was, and whatever is wrong with the folder is one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import numpy as safetensors

from anamnesis import models as folders
from anamnesis.data.stores.store import pair_texts
from anamnesis.data.tokenizers import tokenizer
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.translation.model import baselines, saved
from anamnesis.tasks.translation.settings import Experiment
from anamnesis.tasks.translation.sides import Side
from anamnesis.tasks.translation.translator import NetworkTranslator

from .conftest import ATTENTIVE, NETWORKS, SEQ2SEQ

TEXTS = ["the big cat sees a dog.", "a zebra calls", ""]


def store_of(stores: Path, name: str) -> Path:
    return stores / "data" / "tokens" / name


@pytest.fixture
def kept(
    stores: Path, network: Callable[..., Any], experiment: Callable[..., Experiment], tmp_path: Path
) -> Callable[..., tuple[Path, NetworkTranslator]]:
    """kept(settings, tokens): a network with random weights, and the folder it was saved in."""

    def make(settings: dict[str, Any], tokens: str = "words", **more: Any) -> tuple[Path, NetworkTranslator]:
        sides = [Side(tokenizer.load(store_of(stores, tokens) / name)) for name in saved.TOKENIZERS]
        described = experiment(
            settings["architecture"], tokens=tokens, model={"hidden": 6, "tied": "none", **settings, **more}
        )
        made = network(settings, *(side.size for side in sides), **more)
        weights = {name: value.detach().numpy() for name, value in made.named_parameters()}
        content = {"experiment": "mine", "architecture": settings["architecture"], **described.model_dump(mode="json")}
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        card = folders.save(folder, weights, content, saved.needed(store_of(stores, tokens), content["architecture"]))
        return folder, NetworkTranslator(card, *sides, made, described.search)

    return make


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_comes_back_as_it_was(kept: Callable[..., Any], name: str) -> None:
    folder, expected = kept(NETWORKS[name])
    loaded = saved.load(folder)
    assert isinstance(loaded, NetworkTranslator)
    assert (loaded.card, loaded.search) == (expected.card, expected.search)
    assert not loaded.network.training
    for found, wanted in zip(loaded.translate(TEXTS, 2, 2), expected.translate(TEXTS, 2, 2), strict=True):
        assert [(one.text, one.score) for one in found] == [(one.text, one.score) for one in wanted]


@pytest.mark.parametrize(
    ("tokens", "tied"),
    [(tokens, tied) for tokens in ("words", "subwords", "separate") for tied in ("none", "output")]
    + [("subwords", "all")],
)
@pytest.mark.parametrize("name", ["lstm-1", "additive-gru-1-feeding"])
def test_tied_weights_are_stored_once_and_shared_again(
    kept: Callable[..., Any], tokens: str, tied: str, name: str
) -> None:
    folder, expected = kept(NETWORKS[name], tokens, tied=tied)
    stored = safetensors.load((folder / "weights.safetensors").read_bytes())
    assert sum(value.size for value in stored.values()) == sum(v.numel() for v in expected.network.parameters())
    loaded = saved.load(folder)
    assert isinstance(loaded, NetworkTranslator)
    assert (loaded.network.output.weight is loaded.network.target_embedding.weight) == (tied != "none")
    assert (loaded.network.source_embedding.weight is loaded.network.target_embedding.weight) == (tied == "all")
    pairs = [np.array([5, 4, 3, expected.source.end])], [np.array([6, 5, expected.target.end])]
    assert loaded.likelihoods(*pairs).tolist() == expected.likelihoods(*pairs).tolist()
    parameters = dict(expected.network.named_parameters())
    for key, value in loaded.network.named_parameters():
        assert torch.equal(value, parameters[key])


def test_a_model_is_files_without_code(kept: Callable[..., Any]) -> None:
    folder, _ = kept(SEQ2SEQ["gru-1"])
    assert sorted(path.name for path in folder.iterdir()) == [
        "model.json", "source_tokenizer.json", "target_tokenizer.json", "weights.safetensors"
    ]  # fmt: skip


@pytest.mark.parametrize("architecture", ["copy", "nearest"])
def test_a_floor_comes_back(
    stores: Path, experiment: Callable[..., Experiment], tmp_path: Path, architecture: str
) -> None:
    card = {"experiment": "floor", "architecture": architecture, **experiment(architecture).model_dump(mode="json")}
    card = folders.save(tmp_path, {}, card, saved.needed(store_of(stores, "words"), card["architecture"]))
    loaded = saved.load(tmp_path)
    assert isinstance(loaded, baselines.Copy if architecture == "copy" else baselines.Nearest)
    assert loaded.card == card
    sources, targets = pair_texts(store_of(stores, "words"), "train")
    floor = baselines.Copy() if architecture == "copy" else baselines.Nearest(sources, targets)
    texts = [*sources, *TEXTS]
    found, expected = ([each.text for [each] in model.translate(texts, 1)] for model in (loaded, floor))
    assert found == expected
    assert len(set(found)) > 20


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "model.json", "source_tokenizer.json", "target_tokenizer.json"]
)
@pytest.mark.parametrize("damage", ["missing", "empty", "one bit"])
def test_a_damaged_file_is_named(kept: Callable[..., Any], name: str, damage: str) -> None:
    folder, _ = kept(SEQ2SEQ["gru-1"])
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


def test_the_pairs_of_the_nearest_are_guarded_too(
    stores: Path, experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    card = {"experiment": "floor", "architecture": "nearest", **experiment("nearest").model_dump(mode="json")}
    folders.save(tmp_path, {}, card, saved.needed(store_of(stores, "words"), card["architecture"]))
    with open(tmp_path / saved.PAIRS, "a") as file:
        file.write('"x","y"\n')
    with pytest.raises(AnamnesisError, match=r"train\.csv: altered or damaged"):
        saved.load(tmp_path)


def forged(folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
    """The model with another card and other weights, all digests right, as someone who means harm would."""
    card, weights = folders.read(folder)
    more = {name: (folder / name).read_bytes() for name in card["files"]}
    change(card, weights)
    kept = {key: value for key, value in card.items() if key != "fingerprint"}
    shutil.rmtree(folder)
    folder.mkdir()
    folders.save(folder, weights, kept, more)


FORGERIES: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], object], str]] = {
    "an array too few": (lambda card, weights: weights.pop("output.bias"), "the weights are not those"),
    "an array too many": (lambda card, weights: weights.update(more=np.zeros(2, "f4")), "the weights are not those"),
    "another shape": (
        lambda card, weights: weights.update({"output.bias": weights["output.bias"][1:]}), "the weights are not those"
    ),
    "another type": (
        lambda card, weights: weights.update({"output.bias": weights["output.bias"].astype("f8")}),
        "the weights are not those",
    ),
    "a network of billions": (
        lambda card, weights: card["model"].update(hidden=65536, layers=16), "the weights are not those"
    ),
    "another attention": (
        lambda card, weights: card["model"].update(attention="multiplicative"), "the weights are not those"
    ),
    "another kind": (lambda card, weights: card["model"].update(cell="lstm"), "the weights are not those"),
    "tied otherwise": (lambda card, weights: card["model"].update(tied="output"), "the weights are not those"),
    "no such architecture": (lambda card, weights: card["model"].update(architecture="x"), "not a model that transl"),
    "no model": (lambda card, weights: card.pop("model"), "not a model that translates"),
    "no search": (lambda card, weights: card.pop("search"), "not a model that translates"),
    "another task": (lambda card, weights: card.update(task="language"), "not a model that translates"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_model_is_refused_in_one_line(kept: Callable[..., Any], change: Any, said: str) -> None:
    folder, _ = kept(ATTENTIVE["additive-gru-1"])
    forged(folder, lambda card, weights: None)
    saved.load(folder)
    forged(folder, change)
    with pytest.raises(AnamnesisError, match=said) as caught:
        saved.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["source_tokenizer.json", "target_tokenizer.json"])
def test_a_tokenizer_that_does_not_fit_is_refused(kept: Callable[..., Any], stores: Path, name: str) -> None:
    folder, _ = kept(ATTENTIVE["additive-gru-1"])
    card, weights = folders.read(folder)
    more = {each: (folder / each).read_bytes() for each in card["files"]}
    more[name] = (store_of(stores, "subwords") / name).read_bytes()
    folders.save(folder, weights, {key: value for key, value in card.items() if key != "fingerprint"}, more)
    with pytest.raises(AnamnesisError, match="the weights are not those"):
        saved.load(folder)


def test_no_model_there(tmp_path: Path) -> None:
    with pytest.raises(AnamnesisError, match=r"model\.json: cannot be read"):
        saved.load(tmp_path)


def test_a_card_is_plain_json(kept: Callable[..., Any]) -> None:
    folder, model = kept(SEQ2SEQ["gru-1"])
    assert json.loads((folder / "model.json").read_text()) == model.card
