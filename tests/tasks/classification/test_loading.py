"""A stored classifier that does not fit its card is refused, and one that fits needs no other model."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listener import Recorder

from anamnesis import models
from anamnesis.errors import AnamnesisError
from anamnesis.stages.train import train
from anamnesis.tasks.classification.settings import Experiment

Make = Callable[..., Experiment]
Change = Callable[[dict[str, Any], dict[str, Any]], object]
WEIGHTS = "the weights are not those of"
ARCHITECTURES = ("tfidf", "lstm", "language-model")
FORGERIES: list[tuple[str, Change, str]] = [
    ("tfidf", lambda card, weights: weights.popitem(), WEIGHTS),
    ("tfidf", lambda card, weights: weights.update(more=np.zeros(2, "f4")), WEIGHTS),
    ("lstm", lambda card, weights: card["labels"].append("sport"), WEIGHTS),
    ("lstm", lambda card, weights: card.update(labels=["sport"]), "no list of two labels"),
    ("lstm", lambda card, weights: card.update(files=[]), "`files` has no tokenizer.json"),
    ("lstm", lambda card, weights: card["model"].update(padding="packed"), WEIGHTS),
    ("language-model", lambda card, weights: card["model"].update(summary="both"), WEIGHTS),
    ("language-model", lambda card, weights: card.update(encoder={"architecture": "uniform"}), "a recurrent one"),
    ("language-model", lambda card, weights: card.pop("encoder"), "model.json: model"),
]


@pytest.fixture(scope="module")
def trained(stores: Path, experiment: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one model of each architecture."""
    root = tmp_path_factory.mktemp("trained")
    (root / "data").symlink_to(stores / "data")
    shutil.copytree(stores / "models", root / "models")
    for architecture in ARCHITECTURES:
        changes = {"training": {"epochs": 1}} if architecture != "tfidf" else {}
        train(architecture, experiment(architecture, **changes), root, Recorder())
    return root / "models"


@pytest.mark.parametrize(("architecture", "change", "message"), FORGERIES)
def test_a_forged_model_is_refused_in_one_line(
    trained: Path, tmp_path: Path, architecture: str, change: Change, message: str
) -> None:
    card, weights = models.read(trained / architecture)
    more = {name: (trained / architecture / name).read_bytes() for name in card["files"]}
    change(card, weights)
    del card["fingerprint"]
    models.save(tmp_path, weights, card, {name: data for name, data in more.items() if name in card["files"]})
    with pytest.raises(AnamnesisError, match=message) as caught:
        models.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_classifier_holds_its_language_model(trained: Path, tmp_path: Path) -> None:
    model = models.load(Path(shutil.copytree(trained / "language-model", tmp_path / "alone")))
    assert model.classify(["it  is\nexecuted"]) == model.classify(["it is executed"])


@pytest.mark.parametrize("architecture", ["tfidf", "lstm"])
def test_a_text_has_the_same_labels_beside_others(trained: Path, architecture: str) -> None:
    model = models.load(trained / architecture)
    texts = ["zeppelin", "\u4e2d \U0001f600", "wheat " * 5000, "Wheat\nrose\t."]
    for text, ranking in zip(texts, model.classify(texts), strict=True):
        assert sum(probability for _, probability in ranking) == pytest.approx(1, rel=1e-5)
        assert dict(model.classify([text])[0]) == pytest.approx(dict(ranking), rel=1e-4)
    assert model.classify(["", " \n "]) == [[], []]
