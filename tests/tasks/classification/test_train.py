"""Training: the same bytes after an interruption, a task learnt, and nothing of the test split in it."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listener import Recorder, interrupt

from anamnesis import models as folders
from anamnesis.data.stores import store
from anamnesis.data.stores.documents import open_documents
from anamnesis.data.tokenizers.settings import Characters
from anamnesis.errors import AnamnesisError
from anamnesis.tasks.classification import saved
from anamnesis.tasks.classification.settings import Experiment
from anamnesis.tasks.classification.train import train

from ..conftest import NETWORKS, documents, splits, write_store

Make = Callable[..., Experiment]
FILES = {"model.json", "weights.safetensors", "history.csv", "tokenizer.json"}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("name", "padding"),
    [("lstm-batch-norm", "dummy"), ("deep-birnn", "packed"), ("cnn-lstm", "packed"), ("lstm-gates", "dummy")],
)
def test_interrupted_and_run_again_gives_the_same_bytes(
    project: Path, experiment: Make, name: str, padding: str
) -> None:
    described = {**NETWORKS.get(name, {"architecture": "lstm", "norm": "batch"}), "dropout": 0.3, "dense": 5}
    settings = experiment(described, padding=padding)
    train("mine", settings, project, Recorder())
    folder = project / "models" / "mine"
    expected = content(folder)
    assert set(expected) == FILES
    shutil.rmtree(folder)
    stopped = Recorder(lambda epoch: os.kill(os.getpid(), signal.SIGTERM) if epoch == 2 else None)
    with pytest.raises(SystemExit):
        train("mine", settings, project, stopped)
    assert stopped.ended == "failed"
    assert not folder.exists()
    assert list((project / ".anamnesis" / "checkpoints" / "mine").iterdir())
    resumed = Recorder()
    train("mine", settings, project, resumed)
    assert content(folder) == expected
    assert resumed.ended == folders.read_card(folder)["fingerprint"]
    assert not list((project / ".anamnesis" / "checkpoints").glob("*/*"))


def test_killed_between_two_checkpoints_of_an_epoch(
    project: Path, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anamnesis.tasks.labels.module import ClassificationModule

    settings = experiment({"architecture": "gru", "dropout": 0.2})
    train("mine", settings, project, Recorder())
    expected = content(project / "models" / "mine")
    shutil.rmtree(project / "models")
    step, taken = ClassificationModule.training_step, []

    def counted(self: ClassificationModule, batch: Any, batch_idx: int) -> Any:
        taken.append(batch_idx)
        if len(taken) == 17:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    monkeypatch.setattr(ClassificationModule, "training_step", counted)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train("mine", settings, project, Recorder())
    # Nine batches an epoch: in the second, one after a checkpoint.
    assert taken[-1] == 7
    taken.clear()
    taken.extend([0] * 17)
    train("mine", settings, project, Recorder())
    assert taken[17] == 6
    assert content(project / "models" / "mine") == expected


@pytest.mark.parametrize(("name", "padding"), list(zip(NETWORKS, ["dummy", "packed"] * 7, strict=True)))
def test_every_network_learns_what_topics_are(project: Path, experiment: Make, name: str, padding: str) -> None:
    settings = experiment(
        {"hidden": 12, "summary": "max", **NETWORKS[name]},
        padding=padding,
        length=12,
        training={"epochs": 7, "learning_rate": 0.05},
    )
    watch = Recorder()
    train("mine", settings, project, watch)
    # Of three labels alike: 1.1 nats.
    assert watch.rows[7]["train_loss"] < 1.0


def test_what_a_training_writes(project: Path, experiment: Make) -> None:
    watch = Recorder()
    train("mine", experiment(), project, watch)
    folder = project / "models" / "mine"
    assert set(content(folder)) == FILES
    lines = (folder / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,learning_rate,train_loss,valid_loss,valid_accuracy"
    assert len(lines) == 4
    card = saved.load(folder).card
    assert card["fingerprint"] == watch.ended
    assert card["labels"] == ["crude", "grain", "ship"]
    assert (card["task"], card["task"], card["reads"]) == ("classification", "classification", "documents")
    assert card["parameters"] == sum(value.size for value in folders.read(folder)[1].values())


@pytest.mark.parametrize("padding", ["dummy", "packed"])
@pytest.mark.parametrize("name", ["lstm", "deep-birnn", "cnn-lstm"])
def test_the_stored_model_is_the_one_that_was_validated(
    project: Path, experiment: Make, name: str, padding: str
) -> None:
    watch = Recorder()
    train("mine", experiment(NETWORKS[name], padding=padding), project, watch)
    model = saved.load(project / "models" / "mine")
    best = watch.rows[model.card["best_epoch"]]
    valid = open_documents(project / "data" / "tokens" / "words", "valid")
    found = model.of_ids([valid[number] for number in range(len(valid))])
    chosen = found[np.arange(len(valid)), valid.labels]
    assert -np.log(chosen).mean() == pytest.approx(best["valid_loss"], rel=1e-5)
    assert (found.argmax(1) == valid.labels).mean() == best["valid_accuracy"]
    # From the texts, with a word that training never saw.
    texts = [text for _, text in splits()["valid"]]
    assert all("zeppelin" in text for text in texts)
    np.testing.assert_allclose(model.probabilities(texts), found, rtol=1e-5)
    for text, row in zip(texts, found, strict=True):
        ((best_label, probability), *rest) = model.classify([text])[0]
        assert best_label == model.card["labels"][row.argmax()]
        assert probability == pytest.approx(row.max(), rel=1e-4)
        assert len(rest) == 2


@pytest.mark.parametrize("architecture", ["tfidf", "gru"])
def test_the_test_split_is_not_looked_at(tmp_path: Path, experiment: Make, architecture: str) -> None:
    weights = []
    for name, test in (("one", splits()["test"]), ("other", [("ship", "an utterly different text")] * 3)):
        root = tmp_path / name
        root.mkdir()
        write_store(root, splits() | {"test": test})
        train("mine", experiment({"architecture": architecture}), root, Recorder())
        weights.append((root / "models" / "mine" / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_a_floor_is_the_same_twice(project: Path, experiment: Make) -> None:
    found = []
    for _ in range(2):
        watch = Recorder()
        train("floor", experiment({"architecture": "tfidf"}), project, watch)
        found.append(content(project / "models" / "floor"))
        assert saved.load(project / "models" / "floor").card["fingerprint"] == watch.ended
    assert found[0] == found[1]
    assert set(found[0]) == FILES - {"history.csv"}


@pytest.mark.parametrize("architecture", ["tfidf", "gru"])
def test_one_label_or_none_is_refused_in_one_line(tmp_path: Path, experiment: Make, architecture: str) -> None:
    alike = [("ship", text) for _, text in documents(6, 1)]
    write_store(tmp_path, dict.fromkeys(store.SPLITS, alike))
    (tmp_path / "text.txt").write_text("some text\n" * 9)
    sources = dict.fromkeys(store.SPLITS, tmp_path / "text.txt")
    store.write(tmp_path / "data" / "tokens" / "text", Characters(corpus="x", kind="characters"), sources)
    for tokens, labels in (("words", 1), ("text", 0)):
        watch = Recorder()
        with pytest.raises(AnamnesisError, match=f"data/tokens/{tokens}: found documents of {labels} labels") as caught:
            train("mine", experiment({"architecture": architecture}, tokens=tokens), tmp_path, watch)
        assert "\n" not in str(caught.value)
        assert watch.ended == "failed"
    assert not (tmp_path / "models").exists()


def test_a_label_that_training_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnamnesisError, match="the label 'sport' does not occur in the training split"):
        write_store(tmp_path, splits() | {"valid": [("sport", "a match")]})


def test_ctrl_c_leaves_a_checkpoint(project: Path, experiment: Make) -> None:
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train("mine", experiment(), project, Recorder(interrupt(2)))
    assert not (project / "models").exists()
