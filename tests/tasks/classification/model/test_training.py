"""Training: networks learn, the stored model is the one that was validated, and the test split is not read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from listener import Recorder

from anamnesis import models
from anamnesis.data.stores import store
from anamnesis.data.stores.documents import open_documents
from anamnesis.data.tokenizers.settings import Characters
from anamnesis.errors import AnamnesisError
from anamnesis.stages.train import train
from anamnesis.tasks.classification.settings import Experiment

from ..conftest import NETWORKS, documents, splits, write_store

Make = Callable[..., Experiment]


@pytest.mark.parametrize(
    ("name", "padding"), [("lstm-layer-norm", "dummy"), ("deep-birnn", "packed"), ("cnn-lstm", "packed")]
)
def test_a_network_learns_topics(project: Path, experiment: Make, name: str, padding: str) -> None:
    settings = experiment(
        {"hidden": 12, "summary": "max", **NETWORKS[name], "padding": padding, "length": 12},
        training={"epochs": 7, "learning_rate": 0.05},
    )
    watch = Recorder()
    train("mine", settings, project, watch)
    # The loss of three labels that are equally probable is 1.1 nats.
    assert watch.rows[7]["train_loss"] < 1.0


@pytest.mark.parametrize("architecture", ["histogram", "language-model"])
def test_models_of_characters_recognise_capitals(project: Path, experiment: Make, architecture: str) -> None:
    watch = Recorder()
    train("mine", experiment(architecture, training={"epochs": 5, "learning_rate": 0.05}), project, watch)
    # Two thirds of the passages have the more frequent label.
    assert watch.rows[5]["valid_accuracy"] > 0.9
    columns = "epoch,learning_rate,train_loss,valid_loss,valid_accuracy,valid_macro_f1"
    assert (project / "models" / "mine" / "history.csv").read_text().startswith(columns)


@pytest.mark.parametrize(("name", "padding"), [("lstm", "dummy"), ("deep-birnn", "packed"), ("cnn-lstm", "packed")])
def test_the_stored_model_is_the_one_that_was_validated(
    project: Path, experiment: Make, name: str, padding: str
) -> None:
    watch = Recorder()
    train("mine", experiment({**NETWORKS[name], "padding": padding}), project, watch)
    model = models.load(project / "models" / "mine")
    best = watch.rows[model.card["best_epoch"]]
    valid = open_documents(project / "data" / "tokens" / "words", "valid")
    found = model.probabilities(valid)
    chosen = found[np.arange(len(valid)), valid.labels]
    assert -np.log(chosen).mean() == pytest.approx(best["valid_loss"], rel=1e-5)
    assert (found.argmax(1) == valid.labels).mean() == best["valid_accuracy"]
    # From the texts, with a word that the training split does not have.
    texts = [text for _, text in splits()["valid"]]
    assert all("zeppelin" in text for text in texts)
    for ranking, row in zip(model.classify(texts), found, strict=True):
        assert dict(ranking) == pytest.approx(dict(zip(model.card["labels"], row, strict=True)), rel=1e-5)
        assert ranking == sorted(ranking, key=lambda each: -each[1])


@pytest.mark.parametrize("architecture", ["tfidf", "gru"])
def test_the_test_split_is_not_read(tmp_path: Path, experiment: Make, architecture: str) -> None:
    weights = []
    for name, test in (("one", splits()["test"]), ("other", [("ship", "an utterly different text")] * 3)):
        root = tmp_path / name
        root.mkdir()
        write_store(root, splits() | {"test": test})
        train("mine", experiment(architecture), root, Recorder())
        weights.append((root / "models" / "mine" / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]


@pytest.mark.parametrize("architecture", ["tfidf", "gru", "histogram"])
def test_one_label_or_none_is_refused(tmp_path: Path, experiment: Make, architecture: str) -> None:
    alike = [("ship", text) for _, text in documents(6, 1)]
    write_store(tmp_path, dict.fromkeys(store.SPLITS, alike))
    (tmp_path / "text.txt").write_text("some text\n" * 9)
    sources = dict.fromkeys(store.SPLITS, tmp_path / "text.txt")
    store.write(tmp_path / "data" / "tokens" / "text", Characters(corpus="x", kind="characters"), sources)
    for tokens, labels in (("words", 1), ("text", 0)):
        with pytest.raises(AnamnesisError, match=f"data/tokens/{tokens}: found documents of {labels} labels"):
            train("mine", experiment(architecture, tokens=tokens), tmp_path, Recorder())
